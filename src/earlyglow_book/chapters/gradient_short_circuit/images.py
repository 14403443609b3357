"""The images that a classifier's detectors are tried on, noise among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from earlyglow.datasets.dequantization import centre
from earlyglow.datasets.loading import load_images
from earlyglow.datasets.splits import halves, subset

ImageShape = tuple[int, int, int]

_NOISE_DEVIATION = 64.0


def uniform_noise(count: int, shape: ImageShape, generator: torch.Generator) -> Tensor:
    """Images (count, C, H, W) of independent grey levels, uint8."""
    return torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)


def gaussian_noise(count: int, shape: ImageShape, generator: torch.Generator) -> Tensor:
    """Images (count, C, H, W) of grey levels about the middle with deviation 64, uint8."""
    levels = 127.5 + _NOISE_DEVIATION * torch.randn((count, *shape), generator=generator)
    return levels.round().clamp(0, 255).to(torch.uint8)


_NOISE: dict[str, Callable[[int, ImageShape, torch.Generator], Tensor]] = {
    "uniform_noise": uniform_noise,
    "gaussian_noise": gaussian_noise,
}


def sets_to_score(
    id_dataset: str, ood_datasets: Sequence[str], count: int, seed: int
) -> dict[str, Tensor]:
    """At most ``count`` centred images (N, C, H, W) of each set in the shape of the ID images.

    The ID images are those of the eval half, and all sets begin with the images that the flow's
    experiments score.
    """
    test = load_images(id_dataset, "test")
    _, evaluate = halves(len(test))
    sets = {id_dataset: test.images[evaluate[:count]]}
    generator = torch.Generator().manual_seed(seed)
    for name in ood_datasets:
        if name in _NOISE:
            sets[name] = _NOISE[name](count, test.image_shape, generator)
        else:
            images = load_images(name, "test")
            chosen = images.take(subset(len(images), count))
            sets[name] = chosen.matched_to(test.image_shape).images
    return {name: centre(images) for name, images in sets.items()}


def labels_of_scored(id_dataset: str, sets: Mapping[str, Tensor]) -> Tensor:
    """Labels of the ID images in ``sets``."""
    test = load_images(id_dataset, "test")
    _, evaluate = halves(len(test))
    return test.labels[evaluate[: len(sets[id_dataset])]]
