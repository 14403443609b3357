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

from earlyglow.experiments.paired import Difference

Values = NDArray[np.float64]
Scores = Mapping[str, ArrayLike]


def mean_auroc(
    scores: Scores, id_dataset: str, oods: Sequence[str], confidence: float = 0.95
) -> Difference:
    """Mean AUROC over the OOD sets, with an interval over images.

    Args:
        scores: by set, (N,) each.
        id_dataset: the in-distribution set.
        oods: the OOD sets.
        confidence: between 0 and 1.
    """
    placements = [_placements(scores[id_dataset], scores[ood]) for ood in oods]
    value, low, high = _mean(placements, confidence)
    return Difference(value, max(0.0, low), min(1.0, high))


def mean_auroc_change(
    before: Scores, after: Scores, id_dataset: str, oods: Sequence[str], confidence: float = 0.95
) -> Difference:
    """Mean AUROC after less mean AUROC before, both of the same images in the same order."""
    moved = []
    for ood in oods:
        old = _placements(before[id_dataset], before[ood])
        new = _placements(after[id_dataset], after[ood])
        moved.append(tuple(b - a for a, b in zip(old, new, strict=True)))
    return _mean(moved, confidence)


def _mean(placements: list[tuple[Values, ...]], confidence: float) -> Difference:
    count = len(placements)
    value = float(np.mean([outside.mean() for outside, _ in placements]))
    inside = np.mean([own for _, own in placements], axis=0)
    variance = float(np.var(inside, ddof=1)) / inside.size
    variance += sum(float(np.var(part, ddof=1)) / part.size for part, _ in placements) / count**2
    reach = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    return Difference(value, value - reach, value + reach)


def _placements(id_scores: ArrayLike, ood_scores: ArrayLike) -> tuple[Values, Values]:
    inside, outside = (np.asarray(s, dtype=np.float64) for s in (id_scores, ood_scores))
    ranks = stats.rankdata(np.concatenate((outside, inside)))
    count = len(outside)
    above = (ranks[:count] - stats.rankdata(outside)) / len(inside)
    below = 1 - (ranks[count:] - stats.rankdata(inside)) / count
    return above, below
