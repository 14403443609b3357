"""An image with the grey levels of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(_levels(rng, shape), _levels(rng, shape)) for shape in ((2, 3), (4, 4), (3, 5))]


def _levels(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Grey levels that are all different."""
    levels: Array = rng.permutation(256)[: shape[0] * shape[1]].astype(float).reshape(shape)
    return levels


def _inked(image: Array, donor: Array) -> Array:
    """The donor's level at the rank of each pixel."""
    ranks = rankdata(image, axis=None).astype(int).reshape(image.shape)
    levels: Array = np.sort(donor, axis=None)[ranks - 1]
    return levels


def _order_as_rank(image: Array, donor: Array) -> Array:
    order = np.argsort(image, axis=None)
    levels: Array = np.sort(donor, axis=None)[order].reshape(image.shape)
    return levels


EXERCISES = {
    "same_ink": Exercise(
        truth=_inked,
        cases=_cases,
        mistakes={
            "argsort says which pixel is the darkest, not how dark each pixel is among all: write "
            "the sorted levels *to* these places.": _order_as_rank,
            "image and donor are exchanged: the arrangement is to be the image's.": (
                lambda image, donor: _inked(donor, image)
            ),
            "the darkest pixel gets the brightest level.": (
                lambda image, donor: _inked(-image, donor)
            ),
        },
    ),
}
