"""The classifier of an experiment: how large, how long, and with which augmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from earlyglow.experiments.short_circuit.image_sets import USUAL_OOD
from earlyglow.settings import unknown
from torch import nn

from earlyglow.classifiers import (
    ClassifierConfig,
    TrainedClassifier,
    build_classifier,
    train_classifier,
)
from earlyglow.datasets import DATASETS, ImageSet, load_images, subset
from earlyglow.training.config import Augmentation

_COLOUR_SHAPE = (3, 32, 32)
_FITTED_ON = 10_000
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
    images = _training_images(id_dataset, sizes)
    model = build_classifier(images, _width(images, sizes), seed)
    config = classifier_config(id_dataset, sizes, seed)
    trained = train_classifier(model, images, config, workspace / "classifiers")
    # The detectors of pytorch-ood fit on the CPU, and these networks are small.
    return replace(trained, model=trained.model.cpu())


def untrained_classifier(id_dataset: str, sizes: Sizes, seed: int) -> nn.Module:
    """The same network with fresh weights, in evaluation mode."""
    images = _training_images(id_dataset, sizes)
    return build_classifier(images, _width(images, sizes), seed).eval()


def fitting_images(id_dataset: str, sizes: Sizes) -> ImageSet:
    """Training images for the detectors that need fitting, at most 10,000."""
    images = _training_images(id_dataset, sizes)
    return images.take(subset(len(images), _FITTED_ON))


def require_classes(id_dataset: str, sizes: Sizes) -> None:
    """Raise ValueError unless every test image has a class that the training images have."""
    trained = set(_training_images(id_dataset, sizes).labels.tolist())
    missing = set(load_images(id_dataset, "test").labels.tolist()) - trained
    if missing or -1 in trained:
        raise ValueError(
            f"id_dataset is {id_dataset!r}, but at this size its training images are unlabelled or "
            f"lack classes of its test images; choose one of {', '.join(USUAL_OOD)}, or a larger "
            "profile."
        )


def _training_images(id_dataset: str, sizes: Sizes) -> ImageSet:
    """Training images, in a fixed random order where not all are taken: many sets are sorted."""
    images = load_images(id_dataset, "train")
    if sizes.training_images is None:
        return images
    return images.take(subset(len(images), sizes.training_images))


def _width(images: ImageSet, sizes: Sizes) -> int:
    return sizes.resnet_width if images.image_shape == _COLOUR_SHAPE else sizes.cnn_width
