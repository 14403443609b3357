"""The share of alarms at a threshold of undisturbed images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(0, 1, n), rng.normal(shift, 1, m), allowed)
        for n, m, shift, allowed in ((41, 30, 0.5, 0.05), (100, 50, 1.0, 0.2), (200, 80, -0.5, 0.1))
    ]


def _alarms(undisturbed: Array, new: Array, allowed: float) -> float:
    """The threshold by a line through the sorted scores."""
    places = np.linspace(0, 1, len(undisturbed))
    threshold = np.interp(1 - allowed, places, np.sort(undisturbed))
    return sum(score > threshold for score in new.tolist()) / len(new)


EXERCISES = {
    "alarms": Exercise(
        truth=_alarms,
        cases=_cases,
        mistakes={
            "the threshold is that of the other tail: a share `allowed` of the undisturbed scores "
            "lies below it.": lambda undisturbed, new, allowed: _alarms(
                undisturbed, new, 1 - allowed
            ),
            "the threshold is set on the new images, which always gives about `allowed`.": (
                lambda undisturbed, new, allowed: _alarms(new, new, allowed)
            ),
            "this is the share without an alarm.": (
                lambda undisturbed, new, allowed: 1 - _alarms(undisturbed, new, allowed)
            ),
        },
    ),
}
