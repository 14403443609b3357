"""The classifier of an experiment: how large, how long, and with which augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from earlyglow.classifiers import (
    ClassifierConfig,
    TrainedClassifier,
    build_classifier,
    train_classifier,
)
from earlyglow.datasets import DATASETS, load_images
from earlyglow.settings import unknown
from earlyglow.training.config import Augmentation

_COLOUR_SHAPE = (3, 32, 32)
# A mirrored digit or traffic sign is another class or none.
_AUGMENTATION: dict[str, tuple[Augmentation, ...]] = {
    "cifar10": ("shift", "flip"),
    "tiny_imagenet": ("shift", "flip"),
    "fashion_mnist": ("shift", "flip"),
}


@dataclass(frozen=True)
class Sizes:
    """Everything that makes a run small or large.

    Attributes:
        resnet_width: channels of the first stage of the residual network (32×32 colour images).
        resnet_epochs: passes that train it.
        cnn_width: channels of the first stage of the plain network (all other images).
        cnn_epochs: passes that train it.
        training_images: training images, at most; None for all.
        images: scored images of each set, at most.
        ablation_images: those that the ablations score.
        consistency_images: those whose gradients are compared under noise.
    """

    resnet_width: int
    resnet_epochs: int
    cnn_width: int
    cnn_epochs: int
    training_images: int | None
    images: int
    ablation_images: int
    consistency_images: int


SIZES: dict[str, Sizes] = {
    "smoke": Sizes(4, 1, 4, 12, 640, 60, 40, 20),
    "classroom": Sizes(32, 20, 16, 6, None, 2000, 500, 300),
}


def find_sizes(profile: str) -> Sizes:
    """The sizes of a profile; ValueError with the list of names where there is none."""
    if profile not in SIZES:
        raise ValueError(unknown("profile", profile, SIZES))
    return SIZES[profile]


def classifier_config(id_dataset: str, sizes: Sizes, seed: int) -> ClassifierConfig:
    """How the classifier of a set is trained."""
    coloured = DATASETS[id_dataset].shape == _COLOUR_SHAPE
    return ClassifierConfig(
        sizes.resnet_epochs if coloured else sizes.cnn_epochs,
        augmentation=_AUGMENTATION.get(id_dataset, ("shift",)),
        seed=seed,
    )


def trained_classifier(
    id_dataset: str, sizes: Sizes, seed: int, workspace: Path
) -> TrainedClassifier:
    """Train a set's classifier, or find it trained in ``workspace``."""
    images = load_images(id_dataset, "train", limit=sizes.training_images)
    coloured = images.image_shape == _COLOUR_SHAPE
    width = sizes.resnet_width if coloured else sizes.cnn_width
    model = build_classifier(images, width, seed)
    config = classifier_config(id_dataset, sizes, seed)
    return train_classifier(model, images, config, workspace / "classifiers")
