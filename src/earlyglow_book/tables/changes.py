"""Differences of AUROCs on the same images, and means over OOD sets that share their ID images.

DeLong's variance of one AUROC is that of two sets of placements: for each OOD score the share of ID
scores below it, and for each ID score the share of OOD scores above it. The mean over sets has the
OOD placements of each set, and the mean ID placements of all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from earlyglow.metrics import Estimate, perfect_shortfall, placements

Values = NDArray[np.float64]
Scores = Mapping[str, ArrayLike]


def change_columns(change: Estimate) -> dict[str, float]:
    """A change as the columns of a table: change, low, high."""
    return {"change": change.value, "low": change.low, "high": change.high}


def auroc_change(
    id_before: ArrayLike,
    ood_before: ArrayLike,
    id_after: ArrayLike,
    ood_after: ArrayLike,
    confidence: float = 0.95,
) -> Estimate:
    """AUROC after less AUROC before, where both score the same images.

    Args:
        id_before: (N,) scores of ID images.
        ood_before: (M,) scores of OOD images.
        id_after: (N,) other scores of the same ID images, in the same order.
        ood_after: (M,) other scores of the same OOD images.
        confidence: between 0 and 1.

    Where both separate the images perfectly, DeLong's variance is zero; each may fall short of its
    AUROC by the exact binomial bound then, and so may their difference.

    Source: DeLong et al. 1988; the variance of a difference of placements, image by image.
    """
    before = placements(id_before, ood_before)
    after = placements(id_after, ood_after)
    if any(a.shape != b.shape for a, b in zip(before, after, strict=True)):
        raise ValueError(
            f"there are {before[1].size} ID and {before[0].size} OOD scores before, but "
            f"{after[1].size} and {after[0].size} after; score the same images."
        )
    moved = [a - b for a, b in zip(after, before, strict=True)]
    change = float(moved[0].mean())
    variance = sum(float(np.var(part, ddof=1)) / part.size for part in moved)
    reach = stats.norm.ppf((1 + confidence) / 2) * math.sqrt(variance)
    if all(part.mean() in (0.0, 1.0) for part in (before[0], after[0])):
        reach = perfect_shortfall(min(before[0].size, before[1].size), confidence)
    return Estimate(change, max(-1.0, change - reach), min(1.0, change + reach))


def mean_auroc(
    scores: Scores, id_dataset: str, oods: Sequence[str], confidence: float = 0.95
) -> Estimate:
    """Mean AUROC over the OOD sets, with an interval over images.

    Args:
        scores: by set, (N,) each.
        id_dataset: the in-distribution set.
        oods: the OOD sets.
        confidence: between 0 and 1.
    """
    areas = [placements(scores[id_dataset], scores[ood]) for ood in oods]
    value, low, high = _mean(areas, confidence)
    if value in (0.0, 1.0):
        reach = _perfect_shortfall(areas, confidence)
        low, high = value - reach, value + reach
    return Estimate(value, max(0.0, low), min(1.0, high))


def mean_auroc_change(
    before: Scores, after: Scores, id_dataset: str, oods: Sequence[str], confidence: float = 0.95
) -> Estimate:
    """Mean AUROC after less mean AUROC before, both of the same images in the same order."""
    old, new = (
        [placements(scores[id_dataset], scores[ood]) for ood in oods] for scores in (before, after)
    )
    moved = [
        tuple(b - a for a, b in zip(was, now, strict=True))
        for was, now in zip(old, new, strict=True)
    ]
    change = _mean(moved, confidence)
    if all(_mean(areas, confidence).value in (0.0, 1.0) for areas in (old, new)):
        reach = _perfect_shortfall(old, confidence)
        low, high = change.value - reach, change.value + reach
        return Estimate(change.value, max(-1.0, low), min(1.0, high))
    return change


def _perfect_shortfall(areas: Sequence[tuple[Values, ...]], confidence: float) -> float:
    """Where all sets are separated perfectly DeLong's variance is zero, and says nothing."""
    return perfect_shortfall(min(part.size for pair in areas for part in pair), confidence)


def _mean(by_ood: Sequence[tuple[Values, ...]], confidence: float) -> Estimate:
    count = len(by_ood)
    value = float(np.mean([outside.mean() for outside, _ in by_ood]))
    inside = np.mean([own for _, own in by_ood], axis=0)
    variance = float(np.var(inside, ddof=1)) / inside.size
    variance += sum(float(np.var(part, ddof=1)) / part.size for part, _ in by_ood) / count**2
    reach = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    return Estimate(value, value - reach, value + reach)
