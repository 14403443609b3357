"""Scores become AUROCs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from earlyglow.metrics import aupr, auroc, auroc_interval, fpr_at_tpr
from earlyglow_book.tables.readable import readable
from earlyglow_book.tables.texts import with_interval

if TYPE_CHECKING:
    from torch import Tensor

KEYS = ["epoch", "group_size", "detector", "objective"]


def score_rows(
    dataset: str, scores: Tensor, detector: str, objective: str = "", group_size: int = 1
) -> pd.DataFrame:
    """The scores (G,) of one detector on one set, as rows for :func:`auroc_table`."""
    table = pd.DataFrame({"score": scores.float().cpu().numpy()})
    return table.assign(
        dataset=dataset, group_size=group_size, detector=detector, objective=objective
    )


def set_rows(
    scores: Mapping[str, Tensor], detector: str, objective: str = "", group_size: int = 1
) -> pd.DataFrame:
    """:func:`score_rows` of several sets, by name."""
    rows = (score_rows(name, s, detector, objective, group_size) for name, s in scores.items())
    return pd.concat(rows)


def auroc_columns(
    id_scores: pd.Series | Tensor, ood_scores: pd.Series | Tensor
) -> dict[str, float]:
    """How many scores there are, and the AUROC with its 95 % DeLong interval: five columns."""
    low, high = auroc_interval(id_scores, ood_scores)
    return {
        "n_id": len(id_scores),
        "n_ood": len(ood_scores),
        "auroc": auroc(id_scores, ood_scores),
        "low": low,
        "high": high,
    }


def auroc_table(scores: pd.DataFrame, id_dataset: str) -> pd.DataFrame:
    """AUROC, its interval, AUPR and FPR95 of every OOD set, detector, group size and epoch.

    Scores have columns ``KEYS``, dataset, score. Each combination makes one row with columns
    ``KEYS``, ood, those of :func:`auroc_columns`, aupr, fpr95; ordered by epoch.
    """
    rows = []
    for keys, group in scores.groupby(KEYS, observed=True, sort=True):
        by_set = {name: part["score"] for name, part in group.groupby("dataset", observed=True)}
        id_scores = by_set.pop(id_dataset)
        for ood, ood_scores in by_set.items():
            rows.append(
                {
                    **dict(zip(KEYS, keys, strict=True)),
                    "ood": ood,
                    **auroc_columns(id_scores, ood_scores),
                    "aupr": aupr(id_scores, ood_scores),
                    "fpr95": fpr_at_tpr(id_scores, ood_scores),
                }
            )
    return pd.DataFrame(rows)


def with_intervals(table: pd.DataFrame, rows: list[str], columns: list[str]) -> pd.DataFrame:
    """AUROCs as "0.538 [0.503, 0.574]", one cell per combination of ``rows`` and ``columns``.

    Both axes have titles for readers.
    """
    cells = [with_interval(row) for _, row in table.iterrows()]
    wide = table.assign(cell=cells).pivot(index=rows, columns=columns, values="cell")
    return readable(wide)


def select(
    table: pd.DataFrame, detector: str, objective: str = "", group_size: int = 1
) -> pd.DataFrame:
    """The rows of one detector; ``objective`` is empty for those that have none."""
    chosen = (
        (table["detector"] == detector)
        & (table["objective"] == objective)
        & (table["group_size"] == group_size)
    )
    return table[chosen]


def of_log_prob(table: pd.DataFrame, group_size: int = 1) -> pd.DataFrame:
    """The rows of one group size whose scores differentiate log p, or nothing."""
    return table[(table["group_size"] == group_size) & table["objective"].isin(("log_prob", ""))]


def mean_by_epoch(
    table: pd.DataFrame,
    detector: str = "layer_gradients",
    objective: str = "log_prob",
    group_size: int = 1,
) -> pd.Series:
    """Mean AUROC of one detector over the OOD sets, by epoch."""
    return select(table, detector, objective, group_size).groupby("epoch")["auroc"].mean()
