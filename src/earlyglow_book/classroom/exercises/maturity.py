"""What another doubling of the training buys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    images = np.array([1000.0, 4000.0, 16000.0, 64000.0])
    return [
        (images, 8 - 0.3 * np.log2(images / 1000)),
        (images * 3, rng.uniform(3, 5, 4)),
        (images[:2], np.array([5.0, 4.5])),
    ]


def _per_doubling(images: Array, bits: Array) -> float:
    return -float(stats.linregress(np.log2(images), bits).slope)


EXERCISES = {
    "gain_per_doubling": Exercise(
        truth=_per_doubling,
        cases=_cases,
        mistakes={
            "this is per factor of e; a doubling is a step of one in log2.": (
                lambda images, bits: -stats.linregress(np.log(images), bits).slope
            ),
            "the sign is wrong: fewer bits are a gain.": lambda i, b: -_per_doubling(i, b),
            "this is per image: the bits are to be fitted against the logarithm.": (
                lambda images, bits: -stats.linregress(images, bits).slope
            ),
        },
    ),
}
