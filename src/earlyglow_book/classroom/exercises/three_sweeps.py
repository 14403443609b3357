"""A mean in which every ID set counts the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    sets = (np.array([0, 0, 0, 1]), np.array([2, 5, 5, 2, 7, 5, 5, 7, 7, 2, 2, 2]))
    return [(rng.uniform(0.3, 1, len(one)), one) for one in sets]


def _by_set(aurocs: Array, id_sets: Numbers) -> float:
    return float(pd.Series(aurocs).groupby(id_sets).mean().mean())


def _with_every_number(aurocs: Array, id_sets: Numbers) -> float:
    means = [aurocs[id_sets == one].mean() for one in id_sets]
    return float(np.mean(means))


def _sums(aurocs: Array, id_sets: Numbers) -> float:
    return float(pd.Series(aurocs).groupby(id_sets).sum().mean())


EXERCISES = {
    "mean_by_set": Exercise(
        truth=_by_set,
        cases=_cases,
        mistakes={
            "this is the mean over all pairs, in which an ID set with more OOD sets counts more "
            "(going through every pair's set, and not once through each set, comes to the same).": (
                _with_every_number
            ),
            "each set's AUROCs are added up, so that a set with more pairs still counts more: take "
            "its mean.": _sums,
            "this is the median of the sets' means; the mean is asked for.": (
                lambda aurocs, id_sets: np.median(
                    [aurocs[id_sets == one].mean() for one in np.unique(id_sets)]
                )
            ),
        },
    ),
}
