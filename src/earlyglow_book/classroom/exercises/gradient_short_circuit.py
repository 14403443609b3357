"""The energy of logits, and features that are cut."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earlyglow_book.classroom.checking import Case, Exercise


def _logit_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, generator=generator)
    return [(logits, 1.0), (3 * logits, 2.0), (logits + 5, 0.5)]


def _energy(logits: Tensor, temperature: float) -> Tensor:
    return -temperature * torch.logsumexp(logits / temperature, dim=1)


def _feature_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(n, d, generator=generator), torch.randn(n, d, generator=generator), k)
        for n, d, k in ((2, 5, 1), (4, 10, 3))
    ]


def _cut(features: Tensor, gradient: Tensor, count: int) -> Tensor:
    """By sorting, where the exercise may take the largest k."""
    places = gradient.abs().argsort(dim=1, descending=True)[:, :count]
    return features.scatter(1, places, 0.0)


def _cut_signed(features: Tensor, gradient: Tensor, count: int) -> Tensor:
    return features.scatter(1, gradient.topk(count, dim=1).indices, 0.0)


def _cut_large_features(features: Tensor, gradient: Tensor, count: int) -> Tensor:
    return _cut(features, features, count)


def _cut_alike(features: Tensor, gradient: Tensor, count: int) -> Tensor:
    places = gradient.abs().mean(0).topk(count).indices
    return features.index_fill(1, places, 0.0)


EXERCISES = {
    "energy": Exercise(
        truth=_energy,
        cases=_logit_cases,
        mistakes={
            "the sign is wrong: confident logits are to have a low energy, and high means OOD.": (
                lambda logits, temperature: -_energy(logits, temperature)
            ),
            "the factor T in front is missing.": lambda logits, temperature: (
                _energy(logits, temperature) / temperature
            ),
            "the logits are to be divided by the temperature inside of the exponential.": (
                lambda logits, temperature: -temperature * torch.logsumexp(logits, dim=1)
            ),
        },
    ),
    "cut": Exercise(
        truth=_cut,
        cases=_feature_cases,
        mistakes={
            "a feature whose gradient is large and negative is leant on as much; rank by size.": (
                _cut_signed
            ),
            "the largest features are cut; those with the largest gradients are to be.": (
                _cut_large_features
            ),
            "the same features are cut for all images; each image leans on its own.": _cut_alike,
        },
    ),
}
