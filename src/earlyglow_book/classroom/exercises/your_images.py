"""The middle square of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.functional import center_crop

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    return [(np.arange(float(h * w)).reshape(h, w),) for h, w in ((4, 8), (9, 5), (6, 6))]


def _square(picture: Array) -> Array:
    cut: Array = center_crop(torch.as_tensor(picture)[None], [min(picture.shape)] * 2)[0].numpy()
    return cut


def _squeezed(picture: Array) -> Array:
    """Rows and columns are left out until the picture is square."""
    side = min(picture.shape)
    rows, columns = (np.arange(side) * size // side for size in picture.shape)
    return picture[np.ix_(rows, columns)]


EXERCISES = {
    "middle_square": Exercise(
        truth=_square,
        cases=_cases,
        mistakes={
            "this is the corner at the top left; half of what is too much goes on each side.": (
                lambda picture: picture[: min(picture.shape), : min(picture.shape)]
            ),
            "the whole picture is squeezed into a square: circles become ellipses. Cut instead.": (
                _squeezed
            ),
            "this is the end of the picture: only half of what is too much goes on the first "
            "side.": lambda picture: picture[-min(picture.shape) :, -min(picture.shape) :],
        },
    ),
}
