"""Input complexity, and the typical distance from a bell's middle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _image_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(rng.normal(900, 90, n), rng.integers(2000, 5000, n).astype(float)) for n in (4, 9)]


def _complexity(log_prob: Array, file_bits: Array) -> Array:
    return np.log2(np.exp(-log_prob / 100)) * 100 - file_bits


EXERCISES = {
    "complexity_score": Exercise(
        truth=_complexity,
        cases=_image_cases,
        mistakes={
            "log_prob is in nats and the file in bits: divide log_prob by log 2 first.": (
                lambda log_prob, file_bits: -log_prob - file_bits
            ),
            "the sign is wrong: an image that costs the flow more than a file is to have the "
            "higher score.": lambda log_prob, file_bits: file_bits + log_prob / math.log(2),
            "the file's bits are added, so that complicated images count twice; they are to be "
            "taken away.": lambda log_prob, file_bits: -log_prob / math.log(2) + file_bits,
        },
    ),
    "shell": Exercise(
        truth=lambda dims: tuple(np.sqrt(stats.chi2.ppf([0.025, 0.975], dims))),
        cases=lambda: [(3,), (64,), (784,), (3072,)],
        mistakes={
            "these are the limits of the squared distance; take the root.": (
                lambda dims: tuple(stats.chi2.ppf([0.025, 0.975], dims))
            ),
            "these are the limits for a single coordinate; the distance is made of all of them.": (
                lambda dims: tuple(stats.norm.ppf([0.025, 0.975]))
            ),
            "this leaves out 5 % on each side; 95 % in the middle leave out 2.5 %.": (
                lambda dims: tuple(np.sqrt(stats.chi2.ppf([0.05, 0.95], dims)))
            ),
        },
        tolerance=1e-3,
    ),
}
