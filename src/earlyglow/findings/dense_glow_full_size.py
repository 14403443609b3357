"""Numbers of the chapter on the released one-channel model at its own size."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import DenseGlowFullSize, EpochSweep, claims, collected, select
from earlyglow.findings.epoch_sweep import bits_of
from earlyglow.findings.texts import Texts
from earlyglow.store import Tables
from earlyglow.titles import title_of

# The first of them stands for a flow that has hardly begun to learn.
_FIRST = 1.0


def beside_classroom() -> pd.DataFrame:
    """Mean AUROC of the gradient score on single images over OOD sets and seeds.

    Returns:
        A row for each ID set that was run at full size; columns size and epoch, the trained epochs
        that all runs of a size have in common.
    """
    own = _means_by_epoch("full_size")
    smaller = _means_by_epoch("classroom")
    sizes = {"full size": own, "classroom": smaller.reindex(index=own.index, columns=own.columns)}
    return pd.concat(sizes, axis=1, names=["size"])


def dense_glow_full_size(config: DenseGlowFullSize, tables: Tables) -> Texts:
    """What the run of the notebook does, and all published runs of this size together."""
    means = select(tables["aurocs"], "layer_gradients", "log_prob").groupby("epoch")["auroc"].mean()
    bits = bits_of(tables["epochs"], config.id_dataset)
    early, last = means.index[means.index > 0].min(), means.index.max()
    smaller = EpochSweep(config.id_dataset, model="dense_glow")
    return {
        "weights": _millions(config.sweep),
        "weights_smaller": _millions(smaller),
        "epoch_images": f"{config.sweep.sizes.images_per_epoch:,}",
        "early": f"{early:g}",
        "last": f"{last:g}",
        "auroc_early": f"{means[early]:.3f}",
        "auroc_last": f"{means[last]:.3f}",
        "bits_early": f"{bits[early]:.2f}",
        "bits_last": f"{bits[last]:.2f}",
        **_over_all_runs(),
    }


def _over_all_runs() -> Texts:
    rows = claims.gradient_rows(profile="full_size")
    smaller = claims.gradient_rows()
    _, last = collected.early_and_late(rows)
    at_last = [
        part[part["epoch"] == last].groupby(collected.PAIR)["auroc"].mean()
        for part in (rows, smaller[smaller["model"] == "dense_glow"])
    ]
    changes = -claims.gain_of_epoch(rows, _FIRST)
    by_set = changes.groupby("id_dataset").mean()
    # With few ID sets an interval would reach beyond what a difference of AUROCs can be.
    change, against = (
        collected.within_range(collected.mean_over_pairs(values), -1, 1)
        for values in (changes, (at_last[0] - at_last[1]).dropna())
    )
    return {
        "falls_on": _titles(by_set.index[by_set < 0]),
        "rises_on": _titles(by_set.index[by_set >= 0]),
        "sets": str(rows["id_dataset"].nunique()),
        "pairs": str(change.pairs),
        "common_last": f"{last:g}",
        "change": str(change),
        "against": str(against),
        **_longest_run(rows, last),
    }


def _longest_run(rows: pd.DataFrame, common_last: float) -> Texts:
    """The run that was trained furthest beyond the epoch that all have."""
    longest = rows[rows["epoch"] == rows["epoch"].max()].iloc[0]
    means = rows[rows["id_dataset"] == longest["id_dataset"]].groupby("epoch")["auroc"].mean()
    return {
        "longest_set": title_of(str(longest["id_dataset"])),
        "longest_last": f"{means.index.max():g}",
        "longest_at_common": f"{means[common_last]:.3f}",
        "longest_at_last": f"{means[means.index.max()]:.3f}",
    }


def _titles(names: pd.Index) -> str:
    return ", ".join(title_of(str(name)) for name in names) or "none"


def _millions(sweep: EpochSweep) -> str:
    weights = sum(parameter.numel() for parameter in sweep.flow.build(sweep.seed).parameters())
    return f"{weights / 1e6:.1f} million"


def _means_by_epoch(profile: str) -> pd.DataFrame:
    rows = claims.gradient_rows(profile=profile)
    rows = rows[(rows["model"] == "dense_glow") & (rows["epoch"] > 0)]
    means = rows.groupby(["id_dataset", "epoch"])["auroc"].mean().unstack("epoch")
    return means.dropna(axis=1)
