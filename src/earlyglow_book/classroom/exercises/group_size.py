"""What groups buy where images scatter independently."""

from __future__ import annotations

import numpy as np
from scipy import stats

from earlyglow_book.classroom.checking import Exercise


def _group_auroc(distance: float, group_size: int) -> float:
    """The chance that one mean exceeds another, as an integral over where the first one lies."""
    deviation = group_size**-0.5
    grid = np.linspace(-10 * deviation, 10 * deviation, 4001)
    density = stats.norm.pdf(grid, 0, deviation)
    return float(np.trapezoid(density * stats.norm.sf(grid, distance, deviation), grid))


EXERCISES = {
    "group_auroc": Exercise(
        truth=_group_auroc,
        cases=lambda: [(0.0, 1), (0.5, 1), (0.5, 5), (1.0, 4), (-0.3, 10)],
        mistakes={
            "the difference of two scores scatters more than one of them, by the root of 2.": (
                lambda distance, group_size: stats.norm.cdf(distance * group_size**0.5)
            ),
            "the mean of b scores scatters less by the root of b, not by b.": (
                lambda distance, group_size: stats.norm.cdf(distance * group_size / 2**0.5)
            ),
            "the group size does nothing here: the mean of b scores scatters less.": (
                lambda distance, group_size: stats.norm.cdf(distance / 2**0.5)
            ),
        },
        tolerance=1e-3,
    ),
}
