"""The middle square of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    return [(np.arange(float(h * w)).reshape(h, w),) for h, w in ((4, 8), (9, 5), (6, 6))]


def _square(picture: Array) -> Array:
    """As Pillow fits a picture into a square, which needs no change of size here."""
    fitted = ImageOps.fit(
        Image.fromarray(picture.astype(np.float32)), (min(picture.shape), min(picture.shape))
    )
    return np.asarray(fitted, dtype=np.float64)


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
