"""An interval over data sets, not over pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.uniform(-0.2, 0.3, (rows, 1)) + rng.normal(0, 0.02, (rows, columns)),)
        for rows, columns in ((3, 4), (8, 5))
    ]


def _error(changes: Array) -> float:
    """Equal rows: the jackknife is the standard error of the rows' means."""
    return float(stats.sem(changes.mean(1)))


def _without_factor(changes: Array) -> float:
    rows = changes.mean(1)
    return float(np.std([np.delete(rows, place).mean() for place in range(len(rows))], ddof=1))


EXERCISES = {
    "jackknife_error": Exercise(
        truth=_error,
        cases=_cases,
        mistakes={
            "all pairs are treated as independent, but pairs with the same ID set share a flow: "
            "leave out whole rows.": lambda changes: stats.sem(changes.ravel()),
            "the means without one set differ little, as they share nearly all sets: multiply "
            "their sum of squares by (n - 1) / n.": _without_factor,
            "columns are left out; the ID sets are the rows.": (
                lambda changes: stats.sem(changes.mean(0))
            ),
        },
    ),
}
