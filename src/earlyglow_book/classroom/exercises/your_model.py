"""What latents cost, and what an autoregressive model must not see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from earlyglow_book.classroom.checking import Case, Exercise


def _latents() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    return [
        tuple(torch.randn(n, size, generator=generator, dtype=torch.float64) for _ in range(2))
        for n, size in ((1, 1), (4, 3), (2, 8))
    ]


def _divergence(mean: Tensor, log_scale: Tensor) -> Tensor:
    prior = Normal(torch.zeros_like(mean), 1.0)
    return kl_divergence(Normal(mean, log_scale.exp()), prior).sum(1)


def _jacobians() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(1)
    past = torch.randn(5, 5, generator=generator, dtype=torch.float64).tril(-1) * 9
    seeing_itself, seeing_more = past + 0.5 * torch.eye(5), past.clone()
    seeing_more[1, 3] = -2.0
    return [(past,), (seeing_itself,), (seeing_more,)]


def _leak(jacobian: Tensor) -> float:
    size = len(jacobian)
    seen = [abs(jacobian[i, j].item()) for i in range(size) for j in range(i, size)]
    return max(seen)


EXERCISES = {
    "divergence": Exercise(
        truth=_divergence,
        cases=_latents,
        mistakes={
            "the logarithm of the deviation is taken for that of the variance: s² is "
            "exp(2 log s).": lambda mean, log_scale: _divergence(mean, log_scale / 2),
            "this is the mean over the latents; each of them costs, so add up.": (
                lambda mean, log_scale: _divergence(mean, log_scale) / mean.shape[1]
            ),
            "the sign is wrong: a divergence is never negative.": (
                lambda mean, log_scale: -_divergence(mean, log_scale)
            ),
            "this is the divergence of the prior from the encoder; it is not symmetric.": (
                lambda mean, log_scale: kl_divergence(
                    Normal(torch.zeros_like(mean), 1.0), Normal(mean, log_scale.exp())
                ).sum(1)
            ),
        },
    ),
    "leak": Exercise(
        truth=_leak,
        cases=_jacobians,
        mistakes={
            "the diagonal is left out: a pixel whose mean depends on itself has no density that "
            "integrates to one.": lambda jacobian: jacobian.triu(1).abs().max(),
            "this looks at the past, which may be seen: row i is the mean of pixel i, and columns "
            "from i on are to be zero.": lambda jacobian: jacobian.tril().abs().max(),
            "a negative entry leaks as much as a positive one: take absolute values.": (
                lambda jacobian: jacobian.triu().max()
            ),
        },
    ),
}
