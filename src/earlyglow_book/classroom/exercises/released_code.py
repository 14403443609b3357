"""The guards of the released code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]
_GUARD = 1e-10


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (np.exp(rng.normal(2, 1, 20)), np.array([1.0, 10.0])),
        (np.zeros(5), np.array([0.0, 1e-9])),
        (np.array([0.0, 1e-8, 1e-7]), np.array([1.0])),
    ]


def _term(log: Array, new_log: Array, ddof: int) -> Array:
    deviation = np.sqrt(log.var(ddof=ddof) + _GUARD)
    return -stats.norm(log.mean(), deviation).logpdf(new_log)


def _guarded(fit: Array, new: Array) -> Array:
    return _term(np.log(fit + _GUARD), np.log(new + _GUARD), 1)


def _wide(fit: Array, new: Array) -> Array:
    log = np.log(fit + _GUARD)
    return -stats.norm(log.mean(), log.std(ddof=1) + _GUARD).logpdf(np.log(new + _GUARD))


EXERCISES = {
    "guarded_term": Exercise(
        truth=_guarded,
        cases=_cases,
        mistakes={
            "the guard is added to the deviation; it belongs to the variance, where it is a "
            "hundred thousand times as wide.": _wide,
            "the norms are squared already; here their root is taken.": lambda fit, new: _term(
                np.log(fit**0.5 + _GUARD), np.log(new**0.5 + _GUARD), 1
            ),
            "the variance is divided by N; the score takes the unbiased one.": (
                lambda fit, new: _term(np.log(fit + _GUARD), np.log(new + _GUARD), 0)
            ),
        },
    ),
}
