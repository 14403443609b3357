"""How much better a fitted bell likes its own images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(n, d)) * 3 + 1, rng.normal(size=(m, d)) * 3 + 1)
        for n, m, d in ((6, 40, 3), (30, 20, 5))
    ]


def _bits(train: Array, images: Array) -> float:
    bell = stats.norm(train.mean(0), train.std(0))
    return float(-bell.logpdf(images).mean() / math.log(2))


def _gap(train: Array, held_out: Array) -> float:
    return _bits(train, held_out) - _bits(train, train)


EXERCISES = {
    "gap": Exercise(
        truth=_gap,
        cases=_cases,
        mistakes={
            "these are nats: divide by the logarithm of 2.": (
                lambda train, held_out: _gap(train, held_out) * math.log(2)
            ),
            "these are the bits of the whole image: divide by the number of dimensions.": (
                lambda train, held_out: _gap(train, held_out) * train.shape[1]
            ),
            "the sign is wrong: held-out minus training bits.": (
                lambda train, held_out: -_gap(train, held_out)
            ),
            "each half is judged by a bell of its own; the one that was fitted on the training "
            "images is to judge both.": lambda train, held_out: (
                _bits(held_out, held_out) - _bits(train, train)
            ),
        },
    ),
}
