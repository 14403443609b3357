"""The classifier of the chapter: which network, how it is trained, and its training images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from earlyglow.classifiers import (
    ClassifierConfig,
    TrainedClassifier,
    build_classifier,
    train_classifier,
)
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.loading import load_images
from earlyglow.datasets.splits import subset
from earlyglow_book.flow_runs.profiles import ClassifierSizes
from earlyglow_book.image_sets import AUGMENTATION_OF_CLASSIFIERS, USUAL_OOD_OF_CLASSIFIERS
from earlyglow_book.parameters import ParameterError

if TYPE_CHECKING:
    from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit

_COLOUR_SHAPE = (3, 32, 32)
_FITTED_ON = 10_000


def classifier_config(chapter: ShortCircuit) -> ClassifierConfig:
    """How the classifier is trained."""
    sizes = chapter.sizes
    return ClassifierConfig(
        sizes.resnet_epochs if chapter.network == "resnet" else sizes.cnn_epochs,
        augmentation=AUGMENTATION_OF_CLASSIFIERS.get(chapter.id_dataset, ("shift",)),
        seed=chapter.seed,
    )


def trained_classifier(chapter: ShortCircuit, workspace: Path) -> TrainedClassifier:
    """Train the classifier, or find it trained in ``workspace``."""
    images = _training_images(chapter.id_dataset, chapter.sizes)
    model = build_classifier(images, _width(images, chapter.sizes), chapter.seed)
    config = classifier_config(chapter)
    trained = train_classifier(model, images, config, workspace / "classifiers")
    # The detectors of pytorch-ood fit on the CPU, and these networks are small.
    return replace(trained, model=trained.model.cpu())


def untrained_classifier(id_dataset: str, sizes: ClassifierSizes, seed: int) -> nn.Module:
    """The same network with fresh weights, in evaluation mode."""
    images = _training_images(id_dataset, sizes)
    return build_classifier(images, _width(images, sizes), seed).eval()


def fitting_images(id_dataset: str, sizes: ClassifierSizes) -> ImageSet:
    """Training images for the detectors that need fitting, at most 10,000."""
    images = _training_images(id_dataset, sizes)
    return images.take(subset(len(images), _FITTED_ON))


def require_classes(id_dataset: str, sizes: ClassifierSizes) -> None:
    """Raise ValueError unless every test image has a class that the training images have."""
    trained = set(_training_images(id_dataset, sizes).labels.tolist())
    missing = set(load_images(id_dataset, "test").labels.tolist()) - trained
    if missing or -1 in trained:
        raise ParameterError(
            f"id_dataset is {id_dataset!r}, but at this size its training images are unlabelled or "
            f"lack classes of its test images; choose one of "
            f"{', '.join(USUAL_OOD_OF_CLASSIFIERS)}, or a larger profile."
        )


def _training_images(id_dataset: str, sizes: ClassifierSizes) -> ImageSet:
    """Training images, in a fixed random order where not all are taken: many sets are sorted."""
    images = load_images(id_dataset, "train")
    if sizes.training_images is None:
        return images
    return images.take(subset(len(images), sizes.training_images))


def _width(images: ImageSet, sizes: ClassifierSizes) -> int:
    return sizes.resnet_width if images.image_shape == _COLOUR_SHAPE else sizes.cnn_width
