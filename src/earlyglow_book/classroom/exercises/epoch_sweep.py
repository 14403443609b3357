"""FPR95, choosing an epoch honestly, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import LeaveOneOut

import earlyglow as eg
from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _score_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(rng.normal(0, 1, n), rng.normal(m, 1, n)) for n, m in ((40, 1.0), (200, 2.0))]


def _flagged(id_scores: Array, ood_scores: Array) -> float:
    """The share of OOD items that are missed where 5 % of the ID items are flagged."""
    return float((ood_scores <= np.quantile(id_scores, 0.95)).mean())


def _true_rate(id_scores: Array, ood_scores: Array) -> float:
    return 1 - eg.fpr_at_tpr(id_scores, ood_scores)


def _five_percent(id_scores: Array, ood_scores: Array) -> float:
    return float((id_scores >= np.quantile(ood_scores, 0.95)).mean())


def _tables() -> Sequence[Case]:
    rng = np.random.default_rng(1)
    tables = [rng.uniform(0.4, 0.9, shape) for shape in ((4, 3), (6, 5), (10, 7))]
    return [(table,) for table in tables]


def _honest(aurocs: Array) -> float:
    found = [
        aurocs[aurocs[:, others].mean(1).argmax(), left_out[0]]
        for others, left_out in LeaveOneOut().split(aurocs.T)
    ]
    return float(np.mean(found))


def _pairs() -> Sequence[Case]:
    rng = np.random.default_rng(2)
    early = rng.uniform(0.4, 0.9, (2, 12))
    return [(row, row + rng.normal(0.02, 0.05, 12)) for row in early]


def _apart(early: Array, late: Array) -> tuple[float, float]:
    error = np.sqrt(early.var(ddof=1) / len(early) + late.var(ddof=1) / len(late))
    return float((late - early).mean()), float(error)


def _paired(early: Array, late: Array) -> tuple[float, float]:
    difference = late - early
    return float(late.mean() - early.mean()), float(np.std(difference, ddof=1) / len(early) ** 0.5)


EXERCISES = {
    "fpr95": Exercise(
        truth=eg.fpr_at_tpr,
        cases=_score_cases,
        mistakes={
            "here the threshold flags 5 % of the ID items, and what is counted are missed OOD "
            "items; it is to flag 95 % of the OOD items, and ID items are counted.": _flagged,
            "this is the share of ID items that are not flagged.": _true_rate,
            "the threshold flags only 5 % of the OOD items: it is their 5 % quantile, from below, "
            "not the 95 % one.": _five_percent,
        },
        tolerance=0.03,
    ),
    "honest_choice": Exercise(
        truth=_honest,
        cases=_tables,
        mistakes={
            "each set's own best epoch is taken here: that needs the OOD images which nobody has "
            "before they come.": lambda aurocs: aurocs.max(0).mean(),
            "the epoch is chosen on the mean over all sets, the judged one among them; leave it "
            "out of its own choice.": lambda aurocs: aurocs.mean(1).max(),
            "the last epoch is taken, whatever the others say.": lambda aurocs: aurocs[-1].mean(),
        },
    ),
    "paired_difference": Exercise(
        truth=_paired,
        cases=_pairs,
        mistakes={
            "the two epochs are treated as independent, but they are judged on the same sets: take "
            "the differences first, and their standard error.": _apart,
            "this is the standard deviation of one difference; that of the mean is smaller by the "
            "root of their number.": lambda early, late: (
                (late - early).mean(),
                (late - early).std(ddof=1),
            ),
        },
    ),
}
