"""Numbers of the epoch sweep's chapter."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import EpochSweep, select, three_epochs
from earlyglow.findings.texts import Texts
from earlyglow.store import Tables


def epoch_sweep(config: EpochSweep, tables: Tables) -> Texts:
    """Means over the OOD sets at the first and the last trained epoch, and the best of all."""
    table, size = tables["aurocs"], config.group_size
    chosen = select(table, "layer_gradients", config.objective, size)
    first, _, last = three_epochs(chosen["epoch"])
    means = chosen.groupby("epoch")["auroc"].mean()
    likelihood = select(table, "likelihood", "", size).groupby("epoch")["auroc"].mean()
    bits = bits_of(tables["epochs"], config.id_dataset)
    return {
        "epoch_images": f"{config.sizes.images_per_epoch:,}",
        "sets": str(chosen["ood"].nunique()),
        "items": f"{chosen['n_id'].iloc[0]} ID against up to {chosen['n_ood'].max()} OOD",
        "first_epoch": f"{first:g}",
        "last_epoch": f"{last:g}",
        "best_epoch": f"{means.idxmax():g}",
        "mean_first": f"{means[first]:.3f}",
        "mean_last": f"{means[last]:.3f}",
        "mean_best": f"{means.max():.3f}",
        "likelihood_last": f"{likelihood[last]:.3f}",
        "bits_first": f"{bits[first]:.2f}",
        "bits_last": f"{bits[last]:.2f}",
    }


def bits_of(epochs: pd.DataFrame, dataset: str) -> pd.Series:
    """Bits per dimension of one set by epoch."""
    return epochs[epochs["dataset"] == dataset].set_index("epoch")["bits_per_dim"]
