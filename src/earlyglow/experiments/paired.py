"""The difference of two AUROCs on the same images."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Values = NDArray[np.float64]


class Difference(NamedTuple):
    """An AUROC's change and the ends of its confidence interval."""

    change: float
    low: float
    high: float


def auroc_change(
    id_before: ArrayLike,
    ood_before: ArrayLike,
    id_after: ArrayLike,
    ood_after: ArrayLike,
    confidence: float = 0.95,
) -> Difference:
    """AUROC after less AUROC before, where both score the same images.

    Args:
        id_before: (N,) scores of ID images.
        ood_before: (M,) scores of OOD images.
        id_after: (N,) other scores of the same ID images, in the same order.
        ood_after: (M,) other scores of the same OOD images.
        confidence: between 0 and 1.

    Source: DeLong et al. 1988; the variance of a difference of placements, image by image.
    """
    before = _placements(id_before, ood_before)
    after = _placements(id_after, ood_after)
    if any(a.shape != b.shape for a, b in zip(before, after, strict=True)):
        raise ValueError(
            f"there are {before[1].size} ID and {before[0].size} OOD scores before, but "
            f"{after[1].size} and {after[0].size} after; score the same images."
        )
    moved = [a - b for a, b in zip(after, before, strict=True)]
    change = float(moved[0].mean())
    variance = sum(float(np.var(part, ddof=1)) / part.size for part in moved)
    reach = stats.norm.ppf((1 + confidence) / 2) * math.sqrt(variance)
    return Difference(change, change - reach, change + reach)


def _placements(id_scores: ArrayLike, ood_scores: ArrayLike) -> tuple[Values, Values]:
    """For each OOD score the share of ID scores below it, and for each ID score that above it."""
    inside = np.asarray(id_scores, dtype=np.float64)
    outside = np.asarray(ood_scores, dtype=np.float64)
    ranks = stats.rankdata(np.concatenate((outside, inside)))
    count = len(outside)
    above = (ranks[:count] - stats.rankdata(outside)) / len(inside)
    below = 1 - (ranks[count:] - stats.rankdata(inside)) / count
    return above, below
