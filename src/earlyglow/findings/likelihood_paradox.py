"""Numbers of the chapter on the likelihood paradox."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import collected
from earlyglow.experiments.claims import by_complexity
from earlyglow.findings.texts import Texts, with_interval
from earlyglow.titles import detector_title

_LIKELIHOOD, _GRADIENTS = ("likelihood", ""), ("layer_gradients", "log_prob")


def likelihood_paradox(rows: pd.DataFrame) -> Texts:
    """Means and gains over all published pairs at the last epoch, single images.

    Args:
        rows: published AUROCs of single images.
    """
    _, last = collected.early_and_late(rows)
    at_end = rows[rows["epoch"] == last]
    means = collected.means_over_pairs(at_end, ["detector", "objective"])
    means = means.set_index(["detector", "objective"])
    best = means["mean"].idxmax()
    texts = {
        "pairs": str(int(means["pairs"].max())),
        "last": f"{last:g}",
        "best": detector_title(*best),
        "mean_likelihood": with_interval(means.loc[_LIKELIHOOD], "mean"),
        "mean_gradients": with_interval(means.loc[_GRADIENTS], "mean"),
        "mean_best_value": with_interval(means.loc[best], "mean"),
        "mean_rao": with_interval(means.loc[("rao", "log_prob")], "mean"),
    }
    return texts | _gains(aurocs_by_detector(at_end))


def aurocs_by_detector(rows: pd.DataFrame) -> pd.DataFrame:
    """AUROCs of one epoch: a row for each pair, a column for each detector, without ``sum_z``."""
    ours = rows[rows["objective"].isin(["", "log_prob"])]
    return ours.pivot_table(index=collected.PAIR, columns="detector", values="auroc", observed=True)


def _gains(table: pd.DataFrame) -> Texts:
    gradients = table["layer_gradients"]
    gain = gradients - table["likelihood"]
    over_typicality = gradients - table["typicality"]
    models = gain.index.get_level_values("model")
    simpler, others = (gain.loc[pairs] for pairs in by_complexity(gain.index))
    parts = {
        "gain": gain,
        "gain_glow": gain[models == "glow"],
        "gain_dense": gain[models == "dense_glow"],
        "gain_simpler": simpler,
        "gain_others": others,
        "gain_typicality": over_typicality,
        "typicality_simpler": over_typicality.loc[simpler.index],
        "layers_gain": gradients - table["total_norm"],
        "density_gain": table["layer_density"] - gradients,
    }
    means = {name: collected.mean_over_pairs(part) for name, part in parts.items()}
    return {name: f"{mean} ({mean.pairs} pairs)" for name, mean in means.items()}
