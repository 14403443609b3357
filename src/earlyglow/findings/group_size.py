"""Numbers of the chapter on groups."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import GroupSize, collected
from earlyglow.findings.texts import Texts, with_interval
from earlyglow.titles import title_of


def aurocs_by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """AUROCs of the gradient score at trained epochs: a row for each pair, a column per size."""
    trained = rows[(rows["detector"] == "layer_gradients") & (rows["epoch"] > 0)]
    keys = [*collected.PAIR, "seed", "epoch"]
    return trained.pivot_table(index=keys, columns="group_size", values="auroc", observed=True)


def group_size(
    config: GroupSize, rows: pd.DataFrame, mixed: pd.DataFrame, separation: pd.DataFrame
) -> Texts:
    """What groups change over all pairs, and why, and what mixed groups cost on one ID set.

    Args:
        config: the study.
        rows: published AUROCs of the likelihood and of the gradients of log p.
        mixed: the study's table of mixed groups.
        separation: the study's table of deviations and shifts.
    """
    return (
        _of_all_pairs(rows) | _of_mixed_groups(config, mixed) | _of_separation(config, separation)
    )


def _of_all_pairs(rows: pd.DataFrame) -> Texts:
    first, last = collected.early_and_late(rows)
    means = collected.means_over_pairs(rows, ["detector", "epoch", "group_size"])
    means = means.set_index(["detector", "epoch", "group_size"])
    sizes = aurocs_by_size(rows)
    upside_down = sizes[sizes[1] < 0.5]
    texts = {
        "cells": f"{len(sizes):,}",
        "share_five": f"{(sizes[5] >= sizes[1]).mean():.1%}",
        "upside_down": f"{len(upside_down):,}",
        "first": f"{first:g}",
        "last": f"{last:g}",
    }
    for size in (5, 25):
        texts[f"righted_{size}"] = f"{(upside_down[size] > 0.5).mean():.0%}"
    for size in (1, 5, 25):
        for name, epoch in (("early", first), ("late", last)):
            row = means.loc[("layer_gradients", epoch, size)]
            texts[f"{name}_{size}"] = with_interval(row, "mean")
    for size in (1, 25):
        texts[f"likelihood_{size}"] = with_interval(means.loc[("likelihood", last, size)], "mean")
    return texts


def _of_separation(config: GroupSize, separation: pd.DataFrame) -> Texts:
    """What the largest groups change against single images at the last epoch."""
    at = separation[separation["epoch"] == config.shown_epochs[-1]]
    of_size = {size: rows.set_index("dataset") for size, rows in at.groupby("group_size")}
    least, most = of_size[min(of_size)], of_size[max(of_size)]
    shifts = (most["shift"] / least["shift"]).drop(config.id_dataset)
    deviation = least.loc[config.id_dataset, "deviation"] / most.loc[config.id_dataset, "deviation"]
    return {
        "deviation_factor": f"{deviation:.1f}",
        "shift_factors": f"{shifts.min():.1f} to {shifts.max():.1f}",
    }


def _of_mixed_groups(config: GroupSize, mixed: pd.DataFrame) -> Texts:
    last = config.shown_epochs[-1]
    chosen = mixed[(mixed["detector"] == "layer_gradients") & (mixed["epoch"] == last)]
    at = chosen.groupby("ood_images")["auroc"].mean()
    return {
        "size": str(config.group_size),
        "pure": f"{at[config.group_size]:.3f}",
        "one": f"{at[1]:.3f}",
        "most": f"{at[config.group_size - 1]:.3f}",
        "id": title_of(config.id_dataset),
    }
