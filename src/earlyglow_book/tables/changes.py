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
_CONFIDENCE = 0.95


def change_columns(change: Estimate) -> dict[str, float]:
    """A change as the columns of a table: change, low, high."""
    return {"change": change.value, "low": change.low, "high": change.high}


def auroc_change(
    id_before: ArrayLike, ood_before: ArrayLike, id_after: ArrayLike, ood_after: ArrayLike
) -> Estimate:
    """AUROC after less AUROC before, of (N,) ID and (M,) OOD scores of the same images in order.

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
    reach = _reach(variance)
    if all(part.mean() in (0.0, 1.0) for part in (before[0], after[0])):
        reach = _perfect_shortfall([before])
    return _within(change, reach, -1.0)


def mean_auroc(scores: Scores, id_dataset: str, oods: Sequence[str]) -> Estimate:
    """Mean AUROC over the OOD sets, with an interval over images; scores (N,) by set."""
    areas = [placements(scores[id_dataset], scores[ood]) for ood in oods]
    value, reach = _mean(areas)
    return _within(value, _perfect_shortfall(areas) if value in (0.0, 1.0) else reach, 0.0)


def mean_auroc_change(
    before: Scores, after: Scores, id_dataset: str, oods: Sequence[str]
) -> Estimate:
    """Mean AUROC after less mean AUROC before, both of the same images in the same order."""
    old, new = (
        [placements(scores[id_dataset], scores[ood]) for ood in oods] for scores in (before, after)
    )
    moved = [
        tuple(b - a for a, b in zip(was, now, strict=True))
        for was, now in zip(old, new, strict=True)
    ]
    change, reach = _mean(moved)
    if all(_mean(areas)[0] in (0.0, 1.0) for areas in (old, new)):
        return _within(change, _perfect_shortfall(old), -1.0)
    return Estimate(change, change - reach, change + reach)


def _perfect_shortfall(areas: Sequence[tuple[Values, ...]]) -> float:
    """Where all sets are separated perfectly DeLong's variance is zero, and says nothing."""
    return perfect_shortfall(min(part.size for pair in areas for part in pair), _CONFIDENCE)


def _within(value: float, reach: float, least: float) -> Estimate:
    """A value with an interval that ends where the number itself does: at ``least`` and at 1."""
    return Estimate(value, max(least, value - reach), min(1.0, value + reach))


def _reach(variance: float) -> float:
    return float(stats.norm.ppf((1 + _CONFIDENCE) / 2)) * math.sqrt(variance)


def _mean(by_ood: Sequence[tuple[Values, ...]]) -> tuple[float, float]:
    """The mean over OOD sets, and how far its interval reaches."""
    count = len(by_ood)
    value = float(np.mean([outside.mean() for outside, _ in by_ood]))
    inside = np.mean([own for _, own in by_ood], axis=0)
    variance = float(np.var(inside, ddof=1)) / inside.size
    variance += sum(float(np.var(part, ddof=1)) / part.size for part, _ in by_ood) / count**2
    return value, _reach(variance)
