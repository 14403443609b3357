"""Counting pairs, and bits per dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import earlyglow as eg
from earlyglow_book.classroom.checking import Case, Exercise

Scores = NDArray[np.float64]


def _score_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (np.array([1.0, 2.0]), np.array([3.0, 4.0])),
        (np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0])),
        (rng.integers(0, 5, 40).astype(float), rng.integers(2, 7, 25).astype(float)),
    ]


def _above(id_scores: Scores, ood_scores: Scores) -> float:
    return float((ood_scores[:, None] > id_scores).mean())


def _at_least(id_scores: Scores, ood_scores: Scores) -> float:
    return float((ood_scores[:, None] >= id_scores).mean())


def _bits(log_prob: float, dims: int) -> float:
    return math.log2(256) - log_prob / math.log(2) / dims


EXERCISES = {
    "auroc_by_pairs": Exercise(
        truth=eg.auroc,
        cases=_score_cases,
        mistakes={
            "pairs with equal scores count as nothing here, but each of them is half a success: "
            "a score that is the same for all images would otherwise be worse than a coin.": _above,
            "pairs with equal scores count as a whole success here, but each of them is half of "
            "one: a score that is the same for all images would otherwise be perfect.": _at_least,
            "this is the chance that an ID image scores higher; higher is to mean more OOD.": (
                lambda id_scores, ood_scores: 1 - eg.auroc(id_scores, ood_scores)
            ),
        },
    ),
    "bits": Exercise(
        truth=_bits,
        cases=lambda: [(0.0, 64), (-100.0, 64), (250.0, 64), (1500.0, 784)],
        mistakes={
            "the cells have a width of 1/256, and a density counts per unit: the 8 bits that tell "
            "one cell from the others are missing.": (
                lambda log_prob, dims: -log_prob / math.log(2) / dims
            ),
            "log_prob is in nats, and a bit is log 2 nats: divide by log 2.": (
                lambda log_prob, dims: 8 - log_prob / dims
            ),
            "the sign is wrong: a likelier image costs fewer bits.": (
                lambda log_prob, dims: 8 + log_prob / math.log(2) / dims
            ),
            "these are the bits of the whole image: divide by the number of dimensions.": (
                lambda log_prob, dims: 8 - log_prob / math.log(2)
            ),
        },
    ),
}
