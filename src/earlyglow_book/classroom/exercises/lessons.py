"""What the lessons ask for: typicality, the norm of a group's gradient, and an honest interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _log_prob_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(rng.normal(900, 50, 30), rng.normal(m, 80, 7)) for m in (900, 1200, 400)]


def _standardised(fit: Array, new: Array) -> Array:
    return np.abs(new - fit.mean()) / fit.std()


def _gradient_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((4, 3, 2), (10, 6, 5), (7, 2, 3))
    return [(torch.randn(n, p, generator=generator), b) for n, p, b in sizes]


def _of_the_sum(gradients: Tensor, group_size: int) -> Tensor:
    """By inner products of each two images of a group, where the exercise adds up first."""
    whole = len(gradients) // group_size * group_size
    groups = gradients[:whole].unflatten(0, (-1, group_size))
    return torch.einsum("gip,gjp->g", groups, groups)


def _sum_of_norms(gradients: Tensor, group_size: int) -> Tensor:
    whole = len(gradients) // group_size * group_size
    return gradients[:whole].square().sum(1).unflatten(0, (-1, group_size)).sum(1)


def _value_cases() -> Sequence[Case]:
    rng = np.random.default_rng(1)
    return [(rng.uniform(0.3, 0.9, count),) for count in (3, 5, 12)]


def _interval(values: Array) -> tuple[float, float]:
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def _around(values: Array, reach: float) -> tuple[float, float]:
    return float(values.mean() - reach), float(values.mean() + reach)


EXERCISES = {
    "typicality": Exercise(
        truth=lambda fit, new: np.maximum(new - fit.mean(), fit.mean() - new),
        cases=_log_prob_cases,
        mistakes={
            "this is large on one side only; an image that is far too *likely* is to be as "
            "unusual as one that is too unlikely.": lambda fit, new: fit.mean() - new,
            "a distance has no sign: an image that is far too *unlikely* gets the lowest of all "
            "values here.": lambda fit, new: new - fit.mean(),
            "distances are measured from the mean of the new images, but what is usual is known "
            "from the fit images alone.": lambda fit, new: np.abs(new - new.mean()),
            "the distance is squared; the order is right, but the distance itself is asked "
            "for.": lambda fit, new: (new - fit.mean()) ** 2,
            "the distance is divided by the deviation; the order is right, but the distance in "
            "nats is asked for.": _standardised,
        },
    ),
    "group_norms": Exercise(
        truth=_of_the_sum,
        cases=_gradient_cases,
        mistakes={
            "the norms of the single images are added up, so that it makes no difference whether "
            "they pull in the same direction; add up the gradients first.": _sum_of_norms,
            "this is the gradient of the mean; a group's gradient is that of the sum.": (
                lambda gradients, group_size: _of_the_sum(gradients, group_size) / group_size**2
            ),
            "this is the norm; the squared norm is asked for.": (
                lambda gradients, group_size: _of_the_sum(gradients, group_size).sqrt()
            ),
        },
        tolerance=1e-3,
    ),
    "mean_interval": Exercise(
        truth=_interval,
        cases=_value_cases,
        mistakes={
            "1.96 is right where the deviation is known; from a few values it is estimated, and "
            "Student's t with n - 1 degrees of freedom is wider.": (
                lambda values: _around(values, 1.96 * float(stats.sem(values)))
            ),
            "this is where one more value may lie; for the mean of n the deviation is divided by "
            "the root of n.": lambda values: _around(
                values, stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1)
            ),
            "the deviation is divided by n, as ddof=0 does; from a few values divide by n - 1.": (
                lambda values: _around(
                    values, stats.t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5
                )
            ),
            "half of the 5 % lies on each side: the quantile is that of 0.975, not 0.95.": (
                lambda values: _around(
                    values, stats.t.ppf(0.95, len(values) - 1) * float(stats.sem(values))
                )
            ),
        },
    ),
}
