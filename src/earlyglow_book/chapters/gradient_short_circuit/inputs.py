"""What the detectors are given: a classifier, its training images, and the images to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import earlyglow as eg
from earlyglow_book.chapters.gradient_short_circuit import NOISE, network_name
from earlyglow_book.flow_runs.profiles import ClassifierSizes
from earlyglow_book.image_sets import AUGMENTATION_OF_CLASSIFIERS, USUAL_OOD_OF_CLASSIFIERS
from earlyglow_book.parameters import ParameterError

if TYPE_CHECKING:
    from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit

# Images, features, logits or scores by the name of their set.
BySet = Mapping[str, Tensor]
_FITTED_ON = 10_000
_NOISE_DEVIATION = 64.0


def classifier_config(chapter: ShortCircuit) -> eg.classifiers.ClassifierConfig:
    """How the classifier is trained."""
    sizes = chapter.sizes
    return eg.classifiers.ClassifierConfig(
        sizes.resnet_epochs if chapter.network == "resnet" else sizes.cnn_epochs,
        augmentation=AUGMENTATION_OF_CLASSIFIERS.get(chapter.id_dataset, ("shift",)),
        seed=chapter.seed,
    )


def trained_classifier(chapter: ShortCircuit, workspace: Path) -> eg.classifiers.TrainedClassifier:
    """Train the classifier, or find it trained in ``workspace``."""
    images = training_images(chapter.id_dataset, chapter.sizes)
    model = untrained_classifier(images, chapter.sizes, chapter.seed)
    trained = eg.classifiers.train_classifier(
        model, images, classifier_config(chapter), workspace / "classifiers"
    )
    # The detectors of pytorch-ood fit on the CPU, and these networks are small.
    return replace(trained, model=trained.model.cpu())


def untrained_classifier(images: eg.ImageSet, sizes: ClassifierSizes, seed: int) -> nn.Module:
    """The network for training images, with fresh weights."""
    width = sizes.resnet_width if network_name(images.name) == "resnet" else sizes.cnn_width
    return eg.classifiers.build_classifier(images, width, seed)


def training_images(id_dataset: str, sizes: ClassifierSizes) -> eg.ImageSet:
    """Training images, in a fixed random order where not all are taken: many sets are sorted."""
    images = eg.load_images(id_dataset, "train")
    if sizes.training_images is None:
        return images
    return images.take(eg.subset(len(images), sizes.training_images))


def fitting_images(id_dataset: str, sizes: ClassifierSizes) -> eg.ImageSet:
    """Training images for the detectors that need fitting, at most 10,000."""
    images = training_images(id_dataset, sizes)
    return images.take(eg.subset(len(images), _FITTED_ON))


def require_classes(id_dataset: str, sizes: ClassifierSizes) -> None:
    """Raise ValueError unless every test image has a class that the training images have."""
    trained = set(training_images(id_dataset, sizes).labels.tolist())
    missing = set(eg.load_images(id_dataset, "test").labels.tolist()) - trained
    if missing or -1 in trained:
        raise ParameterError(
            f"id_dataset is {id_dataset!r}, but at this size its training images are unlabelled or "
            f"lack classes of its test images; choose one of "
            f"{', '.join(USUAL_OOD_OF_CLASSIFIERS)}, or a larger profile."
        )


def sets_to_score(
    id_dataset: str, ood_datasets: Sequence[str], count: int, seed: int
) -> dict[str, Tensor]:
    """At most ``count`` centred images (N, C, H, W) of each set in the shape of the ID images.

    The ID images are those of the eval half, and all sets begin with the images that the flow's
    experiments score.
    """
    inside = _of_eval_half(id_dataset, count)
    sets = {id_dataset: inside.images}
    generator = torch.Generator().manual_seed(seed)
    for name in ood_datasets:
        if name in NOISE:
            sets[name] = _noise(name, (count, *inside.image_shape), generator)
        else:
            images = eg.load_images(name, "test")
            chosen = images.take(eg.subset(len(images), count))
            sets[name] = chosen.matched_to(inside.image_shape).images
    return {name: eg.datasets.centre(images) for name, images in sets.items()}


def labels_of_scored(id_dataset: str, sets: BySet) -> Tensor:
    """Labels of the ID images in ``sets``."""
    return _of_eval_half(id_dataset, len(sets[id_dataset])).labels


def _of_eval_half(id_dataset: str, count: int) -> eg.ImageSet:
    test = eg.load_images(id_dataset, "test")
    _, evaluate = eg.halves(len(test))
    return test.take(evaluate[:count])


def _noise(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Independent grey levels, uint8: uniform, or Gaussian about the middle."""
    if name == "uniform_noise":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    levels = 127.5 + _NOISE_DEVIATION * torch.randn(shape, generator=generator)
    return levels.round().clamp(0, 255).to(torch.uint8)
