"""A covariance from too few images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ShrunkCovariance

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(n, 6)) * np.arange(1, 7), a) for n, a in ((4, 0.1), (30, 0.5))]


def _shrunk(rows: Array, amount: float) -> Array:
    found: Array = ShrunkCovariance(shrinkage=amount).fit(rows).covariance_
    return found


def _to_identity(rows: Array, amount: float) -> Array:
    covariance = np.cov(rows.T, ddof=0)
    return (1 - amount) * covariance + amount * np.eye(len(covariance))


EXERCISES = {
    "shrunk_covariance": Exercise(
        truth=_shrunk,
        cases=_cases,
        mistakes={
            "it is shrunk to the identity, whatever the unit; take the mean variance times the "
            "identity.": _to_identity,
            "the amount is the share of the simple matrix; here it is that of the covariance.": (
                lambda rows, amount: _shrunk(rows, 1 - amount)
            ),
            "something is added, but nothing taken away: the two shares are to sum to 1.": (
                lambda rows, amount: (
                    np.cov(rows.T, ddof=0)
                    + amount
                    * np.cov(rows.T, ddof=0).trace()
                    / rows.shape[1]
                    * np.eye(rows.shape[1])
                )
            ),
        },
    ),
}
