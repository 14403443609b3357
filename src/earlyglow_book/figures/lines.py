"""What an epoch sweep shows: AUROC, bits per dimension and scores."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from torch import Tensor

from earlyglow.plots.style import (
    COLOURS,
    MARKERS,
    WIDTH,
    epoch_axis,
    legend,
    line_style,
    panels,
    style,
)
from earlyglow.titles import detector_title, title_of


def loss_curves(logs: dict[str, pd.DataFrame]) -> Figure:
    """Training loss against epoch, one line per ID set.

    Args:
        logs: ID set → columns epoch and bits_per_dim of the training log.
    """
    with style():
        figure, (axis,) = panels(1, height=3.0, share_y=False)
        for name, log in logs.items():
            line = line_style(name)
            axis.plot(
                log["epoch"],
                log["bits_per_dim"],
                label=title_of(name),
                color=line["color"],
                ls=line["ls"],
                lw=1.2,
            )
        # The first steps fall so far that a linear axis would show nothing of the others.
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 7, 8)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.minorticks_off()
        axis.set_xlabel("epoch")
        axis.set_ylabel("bits per dimension, training")
        legend(figure, [axis])
    return figure


def auroc_over_epochs(tables: dict[str, pd.DataFrame]) -> Figure:
    """AUROC against epoch, one panel per table and one line per OOD set, with interval bands.

    Args:
        tables: panel title → rows of one detector of :func:`~earlyglow.experiments.auroc_table`.
    """
    with style():
        figure, axes = panels(len(tables), height=3.6, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for ood, rows in table.groupby("ood", observed=True):
                line = line_style(ood)
                axis.plot(rows["epoch"], rows["auroc"], label=title_of(ood), **line)
                axis.fill_between(
                    rows["epoch"], rows["low"], rows["high"], color=line["color"], alpha=0.15, lw=0
                )
            axis.axhline(0.5, color="0.5", lw=1, ls=":")
            axis.set_title(title)
            epoch_axis(axis, table["epoch"])
        axes[0].set_ylabel("AUROC (0.5 = chance)")
        legend(figure, axes)
    return figure


def score_histograms(
    scores: pd.DataFrame, id_dataset: str, epochs: Sequence[float], score_name: str
) -> Figure:
    """Histograms of one detector's scores at a few epochs: ID filled, OOD sets as outlines."""
    with style():
        figure, axes = panels(len(epochs), height=2.8, share_y=False)
        for axis, epoch in zip(axes, epochs, strict=True):
            at = scores[scores["epoch"] == epoch]
            low, high = np.quantile(at["score"], [0.005, 0.96])
            bins = np.linspace(low, high, 41).tolist()
            by_set = dict(list(at.groupby("dataset", observed=True)["score"]))
            inside = by_set.pop(id_dataset)
            axis.hist(
                np.clip(inside, low, high),
                bins,
                density=True,
                histtype="stepfilled",
                color="0.75",
                label=f"{title_of(id_dataset)} (ID)",
            )
            for name, values in by_set.items():
                line = line_style(name)
                axis.hist(
                    np.clip(values, low, high),
                    bins,
                    density=True,
                    histtype="step",
                    color=line["color"],
                    ls=line["ls"],
                    label=title_of(name),
                )
            axis.set_title(f"epoch {epoch:g}")
            axis.set_yticks([])
            axis.set_xlabel(score_name)
        axes[0].set_ylabel("density")
        legend(figure, axes)
    return figure


def bits_per_dim_over_epochs(epochs: pd.DataFrame, id_dataset: str) -> Figure:
    """Bits per dimension of held-out images against epoch; the ID set is the thick line."""
    with style():
        figure, axis = plt.subplots(figsize=(0.75 * WIDTH, 3.0))
        others = (n for n in epochs["dataset"].unique() if n not in ("fit", id_dataset))
        for name in (id_dataset, *others):
            rows = epochs[epochs["dataset"] == name]
            is_id = name == id_dataset
            label = f"{title_of(name)} (ID)" if is_id else title_of(name)
            line = line_style(name) | ({"lw": 3.2} if is_id else {})
            axis.errorbar(
                rows["epoch"],
                rows["bits_per_dim"],
                1.96 * rows["standard_error"],
                label=label,
                **line,
            )
        epoch_axis(axis, epochs["epoch"])
        axis.set_ylabel("bits per dimension (lower = likelier)")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def two_histograms(
    scores: dict[str, tuple[Tensor, Tensor]], id_title: str, ood_title: str
) -> Figure:
    """ID and OOD scores of each detector, one panel per detector.

    Args:
        scores: detector's name → (ID scores, OOD scores).
        id_title: the ID set's name.
        ood_title: the OOD set's name.
    """
    with style():
        figure, axes = panels(len(scores), height=2.6, share_y=False)
        for axis, (name, (inside, outside)) in zip(axes, scores.items(), strict=True):
            id_values, ood_values = inside.cpu().numpy(), outside.cpu().numpy()
            low, high = np.quantile(np.concatenate((id_values, ood_values)), [0.0, 0.97])
            bins = np.linspace(low, high, 41).tolist()
            axis.hist(
                np.clip(id_values, low, high),
                bins,
                histtype="stepfilled",
                color="0.75",
                label=f"{id_title} (ID)",
            )
            axis.hist(
                np.clip(ood_values, low, high),
                bins,
                histtype="step",
                color=COLOURS[1],
                label=f"{ood_title} (OOD)",
            )
            axis.set_title(name)
            axis.set_xlabel("score (higher = more OOD)")
        axes[0].set_ylabel("items")
        legend(figure, axes)
    return figure


def detector_comparison(table: pd.DataFrame, epoch: float) -> Figure:
    """AUROC with interval of every detector at one epoch, one row per OOD set."""
    at = table[table["epoch"] == epoch]
    names = {
        key: detector_title(*key) for key, _ in at.groupby(["detector", "objective"], observed=True)
    }
    sets = list(at["ood"].unique())
    with style():
        figure, axis = plt.subplots(figsize=(WIDTH, 0.9 + 0.5 * len(sets)))
        for i, (key, label) in enumerate(names.items()):
            rows = at[(at["detector"] == key[0]) & (at["objective"] == key[1])].set_index("ood")
            height = np.arange(len(sets)) + 0.16 * (i - (len(names) - 1) / 2)
            values = rows.loc[sets]
            reach = np.abs(values[["low", "high"]].to_numpy().T - values["auroc"].to_numpy())
            axis.errorbar(
                values["auroc"],
                height,
                xerr=reach,
                label=label,
                color=COLOURS[i],
                marker=MARKERS[i],
                ls="none",
            )
        axis.set_yticks(range(len(sets)), [title_of(name) for name in sets])
        axis.invert_yaxis()
        axis.axvline(0.5, color="0.5", lw=1, ls=":")
        axis.set_xlim(-0.02, 1.02)
        axis.set_xlabel("AUROC with 95 % interval (0.5 = chance)")
        figure.legend(loc="outside upper center", ncols=len(names))
    return figure
