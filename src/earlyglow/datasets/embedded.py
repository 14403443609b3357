"""The two sets that need no file: scikit-learn's digits, and drawn textures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from earlyglow.datasets.image_set import ImageSet

Array = NDArray[np.float64]
Pattern = Callable[[np.random.Generator, Array, Array], Array]

TEXTURE_SIZE = 32
_TRAIN_DIGITS = 1000
_TEXTURES = {"train": 2000, "test": 1000}


def digits(split: str) -> ImageSet:
    """Handwritten digits (1, 8, 8) of scikit-learn: 1000 for training, 797 for testing."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    chosen = order[:_TRAIN_DIGITS] if split == "train" else order[_TRAIN_DIGITS:]
    grey = np.round(data.images[chosen] * (255 / 16)).astype(np.uint8)
    labels = torch.from_numpy(data.target[chosen].astype(np.int64))
    return ImageSet(torch.from_numpy(grey)[:, None], labels, "digits", split)


def textures(split: str) -> ImageSet:
    """Drawn textures (3, 32, 32); the label is the index of the pattern in ``PATTERNS``."""
    labels = torch.arange(_TEXTURES[split]) % len(PATTERNS)
    # A copy: whoever changes the images does not change those of the next caller.
    return ImageSet(torch.from_numpy(_drawn(split).copy()), labels, "textures", split)


@cache
def _drawn(split: str) -> NDArray[np.uint8]:
    """(N, 3, 32, 32) the textures of a split, which take half a second to draw."""
    first = 0 if split == "train" else _TEXTURES["train"]
    drawers = list(PATTERNS.values())
    return np.stack([_draw(drawers[i % len(drawers)], first + i) for i in range(_TEXTURES[split])])


def _draw(pattern: Pattern, seed: int) -> NDArray[np.uint8]:
    """One texture: a pattern in [0, 1] that blends two random colours."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(-1.0, 1.0, TEXTURE_SIZE)
    across, down = np.meshgrid(axis, axis)
    angle = rng.uniform(0.0, np.pi)
    along = across * np.cos(angle) + down * np.sin(angle)
    beside = down * np.cos(angle) - across * np.sin(angle)
    dark, light = rng.uniform(0.0, 255.0, (2, 3, 1, 1))
    blend = pattern(rng, along, beside)
    return np.round(dark + (light - dark) * blend).astype(np.uint8)


def _wave(rng: np.random.Generator, position: Array) -> Array:
    cycles, phase = rng.uniform(1.0, 6.0), rng.uniform(0.0, 2 * np.pi)
    return np.sin(np.pi * cycles * position + phase)


def _stripes(rng: np.random.Generator, along: Array, beside: Array) -> Array:
    return (_wave(rng, along) + 1) / 2


def _checks(rng: np.random.Generator, along: Array, beside: Array) -> Array:
    return (np.sign(_wave(rng, along) * _wave(rng, beside)) + 1) / 2


def _blobs(rng: np.random.Generator, along: Array, beside: Array) -> Array:
    total = np.zeros_like(along)
    for x, y in rng.uniform(-1.0, 1.0, (rng.integers(2, 7), 2)):
        width = rng.uniform(0.1, 0.4)
        total += np.exp(-((along - x) ** 2 + (beside - y) ** 2) / (2 * width**2))
    return np.minimum(total, 1.0)


def _gradient(rng: np.random.Generator, along: Array, beside: Array) -> Array:
    return (along - along.min()) / np.ptp(along)


def _noise(rng: np.random.Generator, along: Array, beside: Array) -> Array:
    smooth = gaussian_filter(rng.standard_normal(along.shape), rng.uniform(0.0, 2.0), mode="wrap")
    return (smooth - smooth.min()) / np.ptp(smooth)


PATTERNS: dict[str, Pattern] = {
    "stripes": _stripes,
    "checks": _checks,
    "blobs": _blobs,
    "gradient": _gradient,
    "noise": _noise,
}
