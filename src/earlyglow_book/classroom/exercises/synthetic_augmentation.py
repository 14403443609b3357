"""The density that a mixed training set asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributions import Categorical, MixtureSameFamily, Normal

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(middle, 3, 6), rng.normal(middle, 3, 6), share)
        for middle, share in ((-2, 0.5), (-2000, 0.2), (1500, 0.9))
    ]


def _mixed(log_p: Array, log_q: Array, share: float) -> Array:
    """By a mixture of torch, whose parts are bells that have these log-densities at zero."""
    logs = torch.as_tensor(np.stack((log_p, log_q), axis=1))
    shift = logs.mean(1, keepdim=True)
    parts = Normal(torch.zeros_like(logs), torch.exp(-(logs - shift)) / np.sqrt(2 * np.pi))
    weights = Categorical(torch.tensor([1 - share, share], dtype=torch.float64).expand(logs.shape))
    mixture = MixtureSameFamily(weights, parts)
    value: Array = (
        mixture.log_prob(torch.zeros(len(logs), dtype=torch.float64)) + shift[:, 0]
    ).numpy()
    return value


def _without_care(log_p: Array, log_q: Array, share: float) -> Array:
    with np.errstate(over="ignore", divide="ignore"):
        value: Array = np.log((1 - share) * np.exp(log_p) + share * np.exp(log_q))
    return value


EXERCISES = {
    "mixed_log_density": Exercise(
        truth=_mixed,
        cases=_cases,
        mistakes={
            "the logarithms are mixed: that is the logarithm of a geometric mean, which is no "
            "density of a mixture.": lambda p, q, share: (1 - share) * p + share * q,
            "the shares are exchanged: share is that of q.": (
                lambda p, q, share: _mixed(p, q, 1 - share)
            ),
            "the formula is right, but exp of such numbers is 0 or infinite: use logsumexp.": (
                _without_care
            ),
            "the shares are missing: the densities are added, and the sum is none.": (
                lambda p, q, share: np.logaddexp(p, q)
            ),
        },
    ),
}
