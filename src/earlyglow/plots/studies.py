"""Figures of single studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from scipy import stats

from earlyglow.plots.style import (
    COLOURS,
    LINES,
    MARKERS,
    epoch_axis,
    legend,
    line_style,
    panels,
    style,
)
from earlyglow.titles import detector_title, title_of

# Factor between the epochs of detectors that stand side by side.
_DODGE = 1.07
# Where a logarithmic axis, which has no zero, shows the untrained flow.
_UNTRAINED_AT = 0.03
# Tensors in a running median.
_NEIGHBOURS = 11


def auroc_by_group_size(tables: dict[str, pd.DataFrame]) -> Figure:
    """AUROC against the number of images in a group, one panel per table and a line per OOD set.

    Args:
        tables: title → rows of one detector and epoch, with columns ood, group_size, auroc.
    """
    with style():
        figure, axes = panels(len(tables), height=3.2, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for ood, rows in table.groupby("ood", observed=True):
                line = line_style(str(ood))
                axis.plot(rows["group_size"], rows["auroc"], label=title_of(str(ood)), **line)
                axis.fill_between(
                    rows["group_size"],
                    rows["low"],
                    rows["high"],
                    color=line["color"],
                    alpha=0.15,
                    lw=0,
                )
            sizes = sorted(table["group_size"].unique())
            axis.set_xscale("log")
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.minorticks_off()
            axis.axhline(0.5, color="0.5", lw=1, ls=":")
            axis.set_title(title)
            axis.set_xlabel("images in a group")
        axes[0].set_ylabel("AUROC (0.5 = chance)")
        legend(figure, axes)
    return figure


def separation_by_group_size(table: pd.DataFrame) -> Figure:
    """Deviation of the log norms of ID groups, and shift of each set's, against the group's size.

    Args:
        table: columns dataset, group_size, deviation, shift, of one epoch.
    """
    with style():
        figure, (left, right) = panels(2, height=3.0, share_y=False)
        for name, rows in table.groupby("dataset", observed=True, sort=False):
            line = line_style(str(name))
            left.plot(rows["group_size"], rows["shift"], label=title_of(str(name)), **line)
            right.plot(
                rows["group_size"], rows["standardised_shift"], label=title_of(str(name)), **line
            )
        own = table.drop_duplicates("group_size")
        left.plot(own["group_size"], own["deviation"], color="0.45", lw=4, alpha=0.6, zorder=0)
        left.annotate(
            "deviation on ID",
            (own["group_size"].iloc[0], own["deviation"].iloc[0]),
            textcoords="offset points",
            xytext=(4, 7),
            color="0.3",
        )
        sizes = sorted(table["group_size"].unique())
        for axis in (left, right):
            axis.set_xscale("log")
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.minorticks_off()
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_xlabel("images in a group")
        left.set_ylabel("log norm, median over tensors")
        left.set_title("shift from the fit half")
        right.set_ylabel("deviations")
        right.set_title("shift over deviation")
        legend(figure, [left, right])
    return figure


def mixed_groups(tables: dict[str, pd.DataFrame], group_size: int) -> Figure:
    """AUROC against the number of OOD images in a group, one panel per table."""
    with style():
        figure, axes = panels(len(tables), height=3.2, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for ood, rows in table.groupby("ood", observed=True):
                line = line_style(str(ood))
                axis.plot(rows["ood_images"], rows["auroc"], label=title_of(str(ood)), **line)
                axis.fill_between(
                    rows["ood_images"],
                    rows["low"],
                    rows["high"],
                    color=line["color"],
                    alpha=0.15,
                    lw=0,
                )
            axis.axhline(0.5, color="0.5", lw=1, ls=":")
            axis.set_xticks(range(1, group_size + 1))
            axis.set_title(title)
            axis.set_xlabel(f"OOD images among {group_size}")
        axes[0].set_ylabel("AUROC (0.5 = chance)")
        legend(figure, axes)
    return figure


def layer_aurocs(table: pd.DataFrame, oods: Sequence[str]) -> Figure:
    """AUROC of each tensor's own score in the order of the model, one panel per OOD set.

    Dots are tensors, lines medians over neighbouring ones.

    Args:
        table: columns ood, tensor, auroc, epoch.
        oods: the sets to show.
    """
    with style():
        figure, axes = panels(len(oods), height=2.8, share_y=True)
        for axis, ood in zip(axes, oods, strict=True):
            of_set = table[table["ood"] == ood]
            for i, (epoch, rows) in enumerate(of_set.groupby("epoch")):
                place = np.linspace(0, 1, len(rows))
                axis.plot(place, rows["auroc"], ls="none", marker=".", ms=3, color="0.75", zorder=0)
                middle = rows["auroc"].rolling(_NEIGHBOURS, center=True, min_periods=1).median()
                axis.plot(
                    place, middle, lw=1.8, ls=LINES[i], color=COLOURS[i], label=f"epoch {epoch:g}"
                )
            axis.axhline(0.5, color="0.5", lw=1, ls=":")
            axis.set_title(title_of(ood))
            axis.set_xlabel("place in the model")
        axes[0].set_ylabel("AUROC of one tensor")
        legend(figure, axes)
    return figure


def overlap_over_epochs(tables: dict[str, pd.DataFrame], value: str) -> Figure:
    """Overlap coefficient against epoch, one panel per table and one line per OOD set."""
    with style():
        figure, axes = panels(len(tables), height=3.2, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for ood, rows in table.groupby("ood", observed=True):
                axis.plot(
                    rows["epoch"], rows[value], label=title_of(str(ood)), **line_style(str(ood))
                )
            epoch_axis(axis, table["epoch"])
            axis.set_title(title)
        axes[0].set_ylabel("overlap (1 = the same)")
        legend(figure, axes)
    return figure


def correlations(values: dict[str, pd.Series]) -> Figure:
    """Every pair's rank correlation as a dot, with the median as a line, one row each."""
    with style():
        figure, (axis,) = panels(1, height=0.9 + 0.42 * len(values), share_y=False)
        random = np.random.default_rng(0)
        for i, numbers in enumerate(values.values()):
            height = i + 0.22 * random.uniform(-1, 1, len(numbers))
            axis.plot(numbers, height, ls="none", marker="o", ms=4, alpha=0.45, color=COLOURS[1])
            middle = float(numbers.median())
            axis.plot([middle, middle], [i - 0.34, i + 0.34], color="black", lw=2.2)
        axis.axvline(0, color="0.5", lw=1, ls=":")
        axis.set_yticks(range(len(values)), list(values))
        axis.invert_yaxis()
        axis.set_xlim(-1.05, 1.05)
        axis.set_xlabel("rank correlation over the epochs of one pair (bar: median)")
    return figure


def wrong_density(ood_mean: float, ood_deviation: float, means: Sequence[float]) -> Figure:
    """The densities of ID and OOD, and of what a wrong model believes, in one dimension."""
    x = np.linspace(-5, 4, 600)
    with style():
        figure, (axis,) = panels(1, height=2.6, share_y=False)
        axis.fill_between(x, stats.norm.pdf(x), color="0.8", label="ID, N(0, 1)")
        axis.plot(
            x,
            stats.norm.pdf(x, ood_mean, ood_deviation),
            color=COLOURS[2],
            label=f"OOD, N({ood_mean:g}, {ood_deviation:g}²)",
        )
        for i, mean in enumerate(means):
            axis.plot(
                x,
                stats.norm.pdf(x, mean),
                color=COLOURS[1],
                ls=LINES[i + 1],
                label=f"model, μ = {mean:g}",
            )
        axis.set_xlabel("x")
        axis.set_ylabel("density")
        legend(figure, [axis])
    return figure


def lines_by_variant(table: pd.DataFrame, value: str, label: str) -> Figure:
    """A number over epochs, one line per variant."""
    with style():
        figure, (axis,) = panels(1, height=3.2, share_y=False)
        for i, (name, rows) in enumerate(table.groupby("variant", observed=True, sort=False)):
            axis.plot(
                rows["epoch"],
                rows[value],
                label=str(name),
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i % len(MARKERS)],
                ls=LINES[i % len(LINES)],
            )
        epoch_axis(axis, table["epoch"])
        axis.set_ylabel(label)
        legend(figure, [axis])
    return figure


def two_detectors(table: pd.DataFrame, x: str, y: str) -> Figure:
    """AUROC of one detector against that of another, one dot per pair of sets.

    Args:
        table: one row per pair, columns ``x`` and ``y``, the ID set as the index's first level.
        x: column of the horizontal axis, a detector without objective.
        y: column of the vertical axis, a detector of the gradient of log p.
    """
    with style():
        figure, (axis,) = panels(1, height=4.2, share_y=False)
        for i, (name, rows) in enumerate(table.groupby(level=0, sort=False)):
            axis.plot(
                rows[x],
                rows[y],
                ls="none",
                marker=MARKERS[i % len(MARKERS)],
                color=COLOURS[i % len(COLOURS)],
                fillstyle="full" if i < len(MARKERS) else "none",
                ms=6,
                label=f"ID: {title_of(str(name))}",
            )
        axis.plot([0, 1], [0, 1], color="0.5", lw=1, ls=":")
        axis.axvline(0.5, color="0.8", lw=1, zorder=0)
        axis.axhline(0.5, color="0.8", lw=1, zorder=0)
        axis.set_xlim(-0.02, 1.02)
        axis.set_ylim(-0.02, 1.02)
        axis.set_aspect("equal")
        axis.set_xlabel(f"AUROC of {detector_title(x, '')}")
        axis.set_ylabel(f"AUROC of {detector_title(y, 'log_prob')}")
        figure.legend(loc="outside right center")
    return figure


def maturity(bits: pd.DataFrame, means: dict[str, pd.DataFrame]) -> Figure:
    """How the flows improve, and what becomes of the detectors meanwhile.

    Args:
        bits: bits per dimension of held-out ID images: columns id_dataset, model, seed, epoch,
            bits_per_dim.
        means: detector → columns epoch, mean, low, high of its AUROC over pairs.
    """
    trained = bits[bits["epoch"] > 0]
    flow = ["id_dataset", "model", "seed"]
    curves = trained.groupby([*flow, "epoch"])["bits_per_dim"].mean().unstack()
    above = curves.sub(curves.iloc[:, -1], axis=0)
    with style():
        figure, (left, right) = panels(2, height=3.8, share_y=False)
        left.plot(above.columns, above.to_numpy().T, color="0.7", lw=0.9)
        left.plot(above.columns, above.mean(), color="black", lw=2.4, marker="o")
        left.set_ylabel("bits per dimension above the end")
        left.set_title("the flow")
        for i, (name, table) in enumerate(means.items()):
            # Side by side, so that the intervals of one epoch do not hide each other.
            aside = _DODGE ** (i - (len(means) - 1) / 2)
            common = {"color": COLOURS[i], "marker": MARKERS[i], "elinewidth": 1}
            rows = table.sort_values("epoch")
            trained, untrained = rows[rows["epoch"] > 0], rows[rows["epoch"] == 0]
            _with_bars(
                right, trained.assign(x=trained["epoch"] * aside), label=name, ls=LINES[i], **common
            )
            _with_bars(right, untrained.assign(x=_UNTRAINED_AT * aside), ls="none", **common)
        right.axhline(0.5, color="0.5", lw=1, ls=":")
        right.set_ylabel("mean AUROC over all pairs")
        right.set_title("the detector")
        figure.legend(loc="outside lower center", ncols=3)
        for axis in (left, right):
            axis.set_xscale("log")
            ticks = {0.1: "0.1", 1: "1", 10: "10", above.columns[-1]: f"{above.columns[-1]:g}"}
            ticks |= {_UNTRAINED_AT: "0"} if axis is right else {}
            axis.set_xticks(list(ticks), list(ticks.values()))
            axis.minorticks_off()
            axis.set_xlabel("epoch")
    return figure


def _with_bars(axis: Axes, rows: pd.DataFrame, **line: Any) -> None:
    """Means at x with their intervals: columns x, mean, low, high."""
    below, above = rows["mean"] - rows["low"], rows["high"] - rows["mean"]
    axis.errorbar(rows["x"], rows["mean"], (below, above), **line)
