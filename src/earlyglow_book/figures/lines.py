"""Lines with bands, in panels side by side: one number against epochs, sizes or shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from earlyglow_book.figures.style import (
    WIDTH,
    epoch_axis,
    legend,
    line_style,
    look,
    panels,
    style,
)
from earlyglow_book.titles import title_of

AUROC = "AUROC (0.5 = chance)"
AxisSetter = Callable[[Axes, pd.Series], None]


def over_epochs(
    tables: Mapping[str, pd.DataFrame],
    value: str = "auroc",
    label: str = AUROC,
    series: str = "ood",
) -> Figure:
    """A number against the epoch, one panel for each title's table and one line for each series.

    Where the value is the AUROC, the columns low and high are the ends of its band.
    """
    return line_panels(tables, "epoch", value, series, epoch_axis, label, 3.6)


def over_sizes(
    tables: Mapping[str, pd.DataFrame], column: str, x_label: str, logarithmic: bool = True
) -> Figure:
    """AUROC against a number of images (a column), one panel for each title's table."""

    return line_panels(tables, column, "auroc", "ood", ticked(x_label, logarithmic), AUROC, 3.2)


def line_panels(
    tables: Mapping[str, pd.DataFrame],
    x: str,
    y: str,
    series: str,
    set_axis: AxisSetter,
    label: str,
    height: float,
    reference: tuple[float, str] | None = None,
) -> Figure:
    """The general form: panels that share their vertical axis, lines, bands and one legend.

    Of each title's rows, column ``y`` is drawn against ``x``, one line for each ``series``; data
    sets have looks of their own, and "auroc" has a band from low to high and a line at chance. The
    horizontal axis is set from its values; ``label`` is of the vertical one, ``height`` in inches,
    and ``reference`` the height and name of a dotted line in all panels.
    """
    with style():
        figure, axes = panels(len(tables), height=height, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for i, (name, rows) in enumerate(table.groupby(series, observed=True, sort=False)):
                _line(axis, rows, x, y, str(name), look(str(name), i))
            if y == "auroc":
                axis.axhline(0.5, color="0.5", lw=1, ls=":")
            if reference:
                axis.axhline(reference[0], color="0.4", lw=1.2, ls=":", label=reference[1])
            if title:
                axis.set_title(title)
            set_axis(axis, table[x])
        axes[0].set_ylabel(label)
        legend(figure, axes)
    return figure


def small_multiples(
    tables: Mapping[str, pd.DataFrame],
    x: str,
    y: str,
    series: str,
    set_axis: AxisSetter,
    label: str,
) -> Figure:
    """Small panels with the same axes, three in a row, one for each title's table."""
    with style():
        across, down = min(3, len(tables)), math.ceil(len(tables) / 3)
        size = (WIDTH, 0.6 + 1.9 * down)
        figure, grid = plt.subplots(
            down, across, figsize=size, sharex=True, sharey=True, squeeze=False
        )
        names = list(dict.fromkeys(name for table in tables.values() for name in table[series]))
        for i, (title, table) in enumerate(tables.items()):
            axis = grid.flat[i]
            for name, rows in table.groupby(series, sort=False):
                _line(axis, rows, x, y, str(name), look(str(name), names.index(name)))
            axis.set_title(title, fontsize="medium")
            set_axis(axis, table[x])
            lowest = i + across >= len(tables)
            axis.tick_params(labelbottom=lowest)
            axis.xaxis.label.set_visible(lowest)
        for axis in grid.flat[len(tables) :]:
            axis.set_axis_off()
        figure.supylabel(label, fontsize="medium")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
    return figure


def ticked(label: str, logarithmic: bool) -> AxisSetter:
    """Sets a horizontal axis with a label and a tick at each value."""

    def set_axis(axis: Axes, values: pd.Series) -> None:
        ticks_at_values(axis, values, logarithmic)
        axis.set_xlabel(label)

    return set_axis


def ticks_at_values(axis: Axes, values: pd.Series, logarithmic: bool) -> None:
    """A horizontal axis with a tick at each value."""
    shown = sorted(values.unique())
    if logarithmic:
        axis.set_xscale("log")
    axis.set_xticks(shown, [f"{value:g}" for value in shown])
    axis.minorticks_off()


def bits_per_dim_over_epochs(epochs: pd.DataFrame, id_dataset: str) -> Figure:
    """Bits per dimension of held-out images against epoch; the ID set is the thick line."""
    with style():
        figure, (axis,) = panels(1, height=3.0)
        others = (n for n in epochs["dataset"].unique() if n not in ("fit", id_dataset))
        for name in (id_dataset, *others):
            rows = epochs[epochs["dataset"] == name]
            line = line_style(name) | {"label": title_of(name)}
            if name == id_dataset:
                line |= {"label": f"{title_of(name)} (ID)", "lw": 3.2}
            error = 1.96 * rows["standard_error"]
            axis.errorbar(rows["epoch"], rows["bits_per_dim"], error, **line)
        epoch_axis(axis, epochs["epoch"])
        axis.set_ylabel("bits per dimension (lower = likelier)")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def loss_curves(logs: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss against epoch, one line for each ID set's training log."""
    with style():
        figure, (axis,) = panels(1, height=3.0)
        for name, log in logs.items():
            line = line_style(name) | {"marker": "", "lw": 1.2}
            axis.plot(log["epoch"], log["bits_per_dim"], label=title_of(name), **line)
        # The first steps fall so far that a linear axis would show nothing of the others.
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 7, 8)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.minorticks_off()
        axis.set_xlabel("epoch")
        axis.set_ylabel("bits per dimension, training")
        legend(figure, [axis])
    return figure


def _line(axis: Axes, rows: pd.DataFrame, x: str, y: str, name: str, line: dict[str, Any]) -> None:
    # Marks would say that what does not depend on x was measured at each of its values.
    flat = {"marker": ""} if len(rows) > 1 and rows[y].nunique() == 1 else {}
    axis.plot(rows[x], rows[y], label=title_of(name), **(line | flat))
    if y == "auroc" and {"low", "high"} <= set(rows.columns):
        axis.fill_between(rows[x], rows["low"], rows["high"], color=line["color"], alpha=0.15, lw=0)
