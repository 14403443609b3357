"""Conformal p-values, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

import earlyglow as eg
from earlyglow_book.classroom.checking import Case, Exercise
from earlyglow_book.tables.inference import holm

Array = NDArray[np.float64]


def _score_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 9, n).astype(float), float(s)) for n in (9, 20) for s in (-1, 4, 99)]


def _p_value(calibration: Array, score: float) -> float:
    pair = torch.tensor([score], dtype=torch.float64), torch.from_numpy(calibration)
    return float(eg.conformal_p_values(*pair)[0])


def _p_cases() -> Sequence[Case]:
    rng = np.random.default_rng(1)
    fixed = np.array([0.01, 0.04, 0.03, 0.5])
    return [(fixed,), (rng.uniform(0, 0.2, 6),), (rng.uniform(0, 1, 5),)]


def _holm(p_values: Array) -> Array:
    named = holm({str(place): float(p) for place, p in enumerate(p_values)})
    return np.array([named[str(place)] for place in range(len(p_values))])


def _without_maximum(p_values: Array) -> Array:
    factors = len(p_values) - p_values.argsort().argsort()
    return np.minimum(1, p_values * factors)


EXERCISES = {
    "p_value": Exercise(
        truth=_p_value,
        cases=_score_cases,
        mistakes={
            "this may be zero, which no finite number of images can show: count the new image "
            "itself, above and below the line.": lambda c, s: float((c >= s).mean()),
            "images with an equal score are as extreme, and count.": (
                lambda c, s: (1 + (c > s).sum()) / (len(c) + 1)
            ),
            "the wrong side is counted: a high score speaks for OOD.": (
                lambda c, s: (1 + (c <= s).sum()) / (len(c) + 1)
            ),
        },
    ),
    "holm_correction": Exercise(
        truth=_holm,
        cases=_p_cases,
        mistakes={
            "each p-value is multiplied by their number: that is Bonferroni's correction, which is "
            "right too, but wins less.": lambda p: np.minimum(1, p * len(p)),
            "a larger p-value may come out smaller than a smaller one: after the multiplication "
            "take the running maximum.": _without_maximum,
            "the corrected values stand in the order of size; give them in the order in which the "
            "p-values came.": lambda p: np.sort(_holm(p)),
        },
    ),
}
