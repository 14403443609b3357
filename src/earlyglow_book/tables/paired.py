"""The difference of two AUROCs on the same images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from earlyglow.metrics import Estimate, perfect_shortfall, placements


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
