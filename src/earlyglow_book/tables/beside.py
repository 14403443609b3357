"""A flow's score beside that of the picture's own statistics: what do both together detect?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

import earlyglow as eg
from earlyglow.metrics import placements
from earlyglow_book.deferred import torch
from earlyglow_book.results import read_published_tables
from earlyglow_book.tables.aurocs import of_log_prob
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.published_rows import read_published_rows

if TYPE_CHECKING:
    from torch import Tensor

_KEYS = [*FLOW, "epoch", "detector"]


def together(flows: pd.DataFrame, pictures: pd.DataFrame) -> pd.DataFrame:
    """AUROC of a flow's score, of the picture's, and of both by Fisher's rule, for every pair.

    Every second ID image turns the scores into p-values and is judged in none of the three.

    Args:
        flows: scores of single images in one order for each set: ``FLOW``, epoch, detector,
            dataset, score.
        pictures: scores of the same images in the same order: id_dataset, dataset, score.

    Returns:
        ``FLOW``, epoch, detector, ood, flow, picture, both.
    """
    of_pictures = {own: _by_set(part) for own, part in pictures.groupby("id_dataset")}
    rows = []
    for keys, part in flows.groupby(_KEYS, observed=True):
        own, flow, picture = keys[0], _by_set(part), of_pictures[keys[0]]
        p_flow, p_picture = _minus_log_p(flow, own), _minus_log_p(picture, own)
        both = {name: p_flow[name] + p_picture[name] for name in flow}
        rows += [
            [*keys, ood, *(_area(s[own][1::2], s[ood]) for s in (flow, picture, both))]
            for ood in flow
            if ood != own
        ]
    return pd.DataFrame(rows, columns=[*_KEYS, "ood", "flow", "picture", "both"])


def read_together(profile: str = "classroom") -> pd.DataFrame:
    """:func:`together` of the published sweeps at their last epoch, single images.

    The scores are the paper's (of log p) and the likelihood.
    """
    parts = []
    for parameters, rows in read_published_tables("epoch_sweep", "scores"):
        if parameters["profile"] != profile:
            continue
        kept = of_log_prob(rows[rows["epoch"] == rows["epoch"].max()])
        parts.append(kept.assign(**{name: parameters[name] for name in FLOW}))
    pictures = read_published_rows("picture_scores", "scores", profile)
    return together(pd.concat(parts), pictures) if parts and len(pictures) else pd.DataFrame()


def _area(id_scores: Tensor, ood_scores: Tensor) -> float:
    """The AUROC, without scikit-learn's checks, which take ten times as long."""
    return float(placements(id_scores, ood_scores)[0].mean())


def _by_set(rows: pd.DataFrame) -> dict[str, Tensor]:
    """Scores (N,) in float64 of each data set."""
    return {
        str(name): torch.tensor(part["score"].to_numpy(dtype=float))
        for name, part in rows.groupby("dataset", observed=True)
    }


def _minus_log_p(scores: dict[str, Tensor], own: str) -> dict[str, Tensor]:
    calibration = scores[own][::2]
    return {name: -eg.conformal_p_values(s, calibration).log() for name, s in scores.items()}
