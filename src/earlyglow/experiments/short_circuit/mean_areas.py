"""Means of AUROCs over OOD sets that share their ID images, with intervals over images.

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

from earlyglow.metrics import Estimate, placements

Values = NDArray[np.float64]
Scores = Mapping[str, ArrayLike]


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
    value, low, high = _mean([placements(scores[id_dataset], scores[o]) for o in oods], confidence)
    return Estimate(value, max(0.0, low), min(1.0, high))


def mean_auroc_change(
    before: Scores, after: Scores, id_dataset: str, oods: Sequence[str], confidence: float = 0.95
) -> Estimate:
    """Mean AUROC after less mean AUROC before, both of the same images in the same order."""
    moved = []
    for ood in oods:
        old = placements(before[id_dataset], before[ood])
        new = placements(after[id_dataset], after[ood])
        moved.append(tuple(b - a for a, b in zip(old, new, strict=True)))
    return _mean(moved, confidence)


def _mean(by_ood: list[tuple[Values, ...]], confidence: float) -> Estimate:
    count = len(by_ood)
    value = float(np.mean([outside.mean() for outside, _ in by_ood]))
    inside = np.mean([own for _, own in by_ood], axis=0)
    variance = float(np.var(inside, ddof=1)) / inside.size
    variance += sum(float(np.var(part, ddof=1)) / part.size for part, _ in by_ood) / count**2
    reach = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    return Estimate(value, value - reach, value + reach)
