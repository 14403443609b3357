"""Numbers of the chapter on support overlap."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from earlyglow.experiments import collected
from earlyglow.experiments.collected import Mean
from earlyglow.findings.texts import Texts

_QUESTIONS = (("epoch", "epoch"), ("AUROC", "auroc"), ("|AUROC - ½|", "distance"))


def correlations_within(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Rank correlations of the overlap with three things over the epochs of each pair and seed."""
    return {
        f"{name}: overlap and {what}": collected.correlation_within(
            rows[rows["detector"] == detector], column, "kde"
        )
        for name, detector in (("likelihood", "likelihood"), ("gradients", "layer_gradients"))
        for what, column in _QUESTIONS
    }


def correlations_across(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank correlations with the overlap over the pairs, at the last epoch."""
    _, last = collected.early_and_late(rows)
    at_end = rows[rows["epoch"] == last].groupby(["detector", *collected.PAIR])
    means = at_end[["kde", "auroc", "distance"]].mean()
    return pd.DataFrame(
        {
            name: part[["auroc", "distance"]].corrwith(part["kde"], method="spearman")
            for name, part in means.groupby(level=0)
        }
    )


def support_overlap(rows: pd.DataFrame, within: Mapping[str, Mean], across: pd.DataFrame) -> Texts:
    """The estimates' means and the correlations.

    Args:
        rows: published overlaps at the trained epochs.
        within: mean over pairs of each of :func:`correlations_within`.
        across: :func:`correlations_across`.
    """
    of_likelihood = rows[rows["detector"] == "likelihood"]
    return {
        "growth": str(within["likelihood: overlap and epoch"]),
        "against": str(within["likelihood: overlap and AUROC"]),
        "distance": str(within["likelihood: overlap and |AUROC - ½|"]),
        "gradients": str(within["gradients: overlap and AUROC"]),
        "gradients_growth": str(within["gradients: overlap and epoch"]),
        "across": f"{across['likelihood']['auroc']:.2f}",
        "across_distance": f"{across['likelihood']['distance']:.2f}",
        "pairs": str(within["likelihood: overlap and epoch"].pairs),
        "released": f"{of_likelihood['kde_released'].mean():.2f}",
        "ruled": f"{of_likelihood['kde'].mean():.2f}",
        "histogram": f"{of_likelihood['histogram'].mean():.2f}",
    }
