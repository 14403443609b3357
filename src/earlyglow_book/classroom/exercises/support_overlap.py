"""The overlap of two histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    edges = np.linspace(-4, 6, 21)
    return [
        (np.histogram(rng.normal(0, 1, n), edges)[0], np.histogram(rng.normal(m, 1, k), edges)[0])
        for n, m, k in ((100, 1.0, 100), (50, 2.0, 400), (80, 4.0, 80))
    ]


def _overlap(first: Array, second: Array) -> float:
    """One minus the total variation distance."""
    return float(1 - 0.5 * np.abs(first / first.sum() - second / second.sum()).sum())


EXERCISES = {
    "overlap": Exercise(
        truth=_overlap,
        cases=_cases,
        mistakes={
            "counts are compared; the samples differ in size, so divide each by its sum first.": (
                lambda first, second: np.minimum(first, second).sum() / first.sum()
            ),
            "this is the distance, one minus the overlap.": (
                lambda first, second: 1 - _overlap(first, second)
            ),
            "the shares are multiplied; in each bin the smaller one is common to both.": (
                lambda first, second: (first / first.sum() * (second / second.sum())).sum()
            ),
        },
    ),
}
