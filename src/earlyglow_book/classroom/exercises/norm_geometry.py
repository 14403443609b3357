"""How many of a hundred tensors are independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(60, 1))
    return [
        (rng.normal(size=(60, 5)),),
        (common + 0.2 * rng.normal(size=(60, 8)),),
        (rng.normal(size=(60, 4)) * np.array([1.0, 10.0, 100.0, 0.1]),),
    ]


def _independent(log_norms: Array) -> float:
    """By the squares of all correlations, where the exercise takes eigenvalues."""
    correlation = np.corrcoef(log_norms.T)
    return float(log_norms.shape[1] ** 2 / (correlation**2).sum())


def _of_covariance(log_norms: Array) -> float:
    values = np.linalg.eigvalsh(np.cov(log_norms.T))
    return float(values.sum() ** 2 / (values**2).sum())


EXERCISES = {
    "independent_tensors": Exercise(
        truth=_independent,
        cases=_cases,
        mistakes={
            "the covariance is taken, in which the tensor that scatters most counts most; take the "
            "correlation.": _of_covariance,
            "the correlation is between images; it is to be between tensors: transpose.": (
                lambda log_norms: _independent(log_norms.T)
            ),
            "this is the reciprocal of what is asked for.": lambda n: 1 / _independent(n),
        },
    ),
}
