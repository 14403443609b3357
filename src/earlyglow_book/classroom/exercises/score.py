"""The paper's score, the norm of a convolution's gradient, and DeLong's variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from earlyglow.metrics import delong_variance
from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]
_KERNEL = 3


def _norm_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    shapes = ((5, 3, 1), (20, 6, 4))
    return [
        (np.exp(rng.normal(2, 1, (n, t))), np.exp(rng.normal(3, 1, (m, t)))) for n, m, t in shapes
    ]


def _layer_score(fit: Array, new: Array) -> Array:
    logs = np.log(fit)
    bells = stats.norm(logs.mean(0), logs.std(0, ddof=1))
    return -bells.logpdf(np.log(new)).sum(1)


def _layer_score_of(logs: Array, new_logs: Array, ddof: int) -> Array:
    variance = logs.var(0, ddof=ddof)
    return ((new_logs - logs.mean(0)) ** 2 / (2 * variance) + np.log(2 * np.pi * variance) / 2).sum(
        1
    )


def _without_normalisation(fit: Array, new: Array) -> Array:
    logs = np.log(fit)
    return ((np.log(new) - logs.mean(0)) ** 2 / (2 * logs.var(0, ddof=1))).sum(1)


def _convolution_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((1, 1, 3, 4), (3, 2, 4, 4), (2, 5, 5, 6))
    return [
        (
            torch.randn(c, h, w, generator=generator, dtype=torch.float64),
            torch.randn(d, h, w, generator=generator, dtype=torch.float64),
        )
        for c, d, h, w in sizes
    ]


def _by_backward_pass(image: Tensor, signal: Tensor) -> float:
    weight = torch.zeros(len(signal), len(image), _KERNEL, _KERNEL, dtype=image.dtype)
    weight.requires_grad_()
    output = F.conv2d(image[None], weight, padding=_KERNEL // 2)[0]
    (gradient,) = torch.autograd.grad(output, weight, signal)
    return float(gradient.square().sum())


def _grams(image: Tensor, signal: Tensor) -> tuple[Tensor, Tensor]:
    """Inner products (P, P) of the patches, and of the signals, of each two positions."""
    patches = F.unfold(image[None], _KERNEL, padding=_KERNEL // 2)[0]
    signals = signal.flatten(1)
    return patches.T @ patches, signals.T @ signals


def _same_positions(image: Tensor, signal: Tensor) -> Tensor:
    patches, signals = _grams(image, signal)
    return (patches.diagonal() * signals.diagonal()).sum()


def _sizes_multiplied(image: Tensor, signal: Tensor) -> Tensor:
    patches, signals = _grams(image, signal)
    return patches.trace() * signals.trace()


def _matrix_product(image: Tensor, signal: Tensor) -> Tensor:
    patches, signals = _grams(image, signal)
    return (patches @ signals).sum()


def _three_by_three() -> Sequence[Case]:
    return [
        (np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 6.0])),
        (np.array([1.0, 3.0, 3.0]), np.array([2.0, 3.0, 4.0])),
        (np.array([0.0, 5.0, 2.0]), np.array([1.0, 4.0, 6.0])),
    ]


def _wins(id_scores: Array, ood_scores: Array) -> Array:
    """(M, N): 1 where the OOD score is higher, one half for ties."""
    difference = ood_scores[:, None] - id_scores
    return (np.sign(difference) + 1) / 2


def _shares(id_scores: Array, ood_scores: Array, ddof: int) -> tuple[float, float]:
    wins = _wins(id_scores, ood_scores)
    return float(wins.mean(1).var(ddof=ddof)), float(wins.mean(0).var(ddof=ddof))


EXERCISES = {
    "layer_score": Exercise(
        truth=_layer_score,
        cases=_norm_cases,
        mistakes={
            "the Gaussians are fitted to the norms themselves; they belong to the logarithms.": (
                lambda fit, new: _layer_score_of(fit, new, 1)
            ),
            "the variance is divided by N, as ddof=0 does; the score takes the unbiased one, "
            "divided by N - 1.": lambda fit, new: _layer_score_of(np.log(fit), np.log(new), 0),
            "the term with log(2π σ²) is missing: it changes no order here, but without it the "
            "numbers are no negative log-likelihoods.": _without_normalisation,
        },
    ),
    "conv_gradient_norm": Exercise(
        truth=_by_backward_pass,
        cases=_convolution_cases,
        mistakes={
            "only positions p = q are added up, but the gradients of different positions add up "
            "before the square, so that every pair (p, q) has a term.": _same_positions,
            "this is the product of two sums of squares, an upper bound: multiply the two Gram "
            "matrices entry by entry, then add up.": _sizes_multiplied,
            "the Gram matrices are multiplied as matrices; multiply them entry by entry.": (
                _matrix_product
            ),
            "this is the norm; the squared norm is asked for.": (
                lambda image, signal: _by_backward_pass(image, signal) ** 0.5
            ),
        },
    ),
    "delong": Exercise(
        truth=delong_variance,
        cases=_three_by_three,
        mistakes={
            "the two variances are added as they are; each is the variance of a mean of 3, so "
            "divide each by 3.": lambda i, o: sum(_shares(i, o, 1)),
            "the variances are divided by 3 inside (ddof=0); of three numbers the unbiased "
            "variance divides by 2.": lambda i, o: sum(_shares(i, o, 0)) / 3,
            "this is the variance of nine independent pairs, but pairs that share an image are "
            "not independent.": lambda i, o: _wins(i, o).var(ddof=1) / 9,
            "this is the variance over the draw of the OOD images alone; that over the ID images "
            "comes on top.": lambda i, o: _shares(i, o, 1)[0] / 3,
        },
    ),
}
