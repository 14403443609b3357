"""The AUROC of two histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from earlyglow_book.classroom.checking import Case, Exercise

Counts = NDArray[np.int64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 6, bins) + 1, rng.integers(0, 4, bins) * np.arange(1, bins + 1))
        for bins in (3, 6, 10)
    ]


def _area(id_counts: Counts, ood_counts: Counts) -> float:
    """Of one score for each image: the number of its bin."""
    bins = np.arange(len(id_counts))
    scores = [np.repeat(bins, counts) for counts in (id_counts, ood_counts)]
    labels = np.repeat([0, 1], [len(one) for one in scores])
    return float(roc_auc_score(labels, np.concatenate(scores)))


def _with_ties_as(share: float, id_counts: Counts, ood_counts: Counts) -> float:
    p, q = id_counts / id_counts.sum(), ood_counts / ood_counts.sum()
    return float((q * (np.cumsum(p) - p + share * p)).sum())


EXERCISES = {
    "binned_auroc": Exercise(
        truth=_area,
        cases=_cases,
        mistakes={
            "pairs in one bin count nothing here; they count one half.": (
                lambda i, o: _with_ties_as(0.0, i, o)
            ),
            "pairs in one bin count in full here; they count one half.": (
                lambda i, o: _with_ties_as(1.0, i, o)
            ),
            "this is the share of pairs in which the ID image has the higher score.": (
                lambda i, o: 1 - _area(i, o)
            ),
        },
    ),
}
