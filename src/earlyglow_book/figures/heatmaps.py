"""Tables of AUROCs as colours: ID sets by OOD sets, detectors by OOD sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlyglow_book.figures.style import WIDTH, style
from earlyglow_book.titles import title_of

_COLOURS = "cividis"


def auroc_heatmaps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """AUROC of every ID set (index) against every OOD set (columns), a panel a title, two a row."""
    columns = min(2, len(tables))
    lines = -(-len(tables) // columns)
    first = next(iter(tables.values()))
    with style(axes_grid=False):
        size = (WIDTH, lines * (1.6 + 0.3 * len(first)))
        figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
        for axis, (title, table) in zip(axes.flat, tables.items(), strict=False):
            _show(axis, table, digits=2, least=0.0)
            axis.set_title(title)
            axis.set_xlabel("OOD set")
        for axis in axes.flat[len(tables) :]:
            axis.set_visible(False)
        for axis in axes[:, 0]:
            axis.set_ylabel("ID set")
        _colour_bar(figure, axes)
    return figure


def correlation_heatmaps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Correlations from -1 to 1, one panel for each title, with one colour bar."""
    with style(axes_grid=False):
        size = (WIDTH, 1.6 + 0.28 * len(next(iter(tables.values()))))
        figure, axes = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
        for axis, (title, table) in zip(axes[0], tables.items(), strict=True):
            drawn = axis.imshow(table.to_numpy(float), cmap="RdBu_r", vmin=-1, vmax=1)
            axis.set_xticks(range(len(table)), table.columns, rotation=60, ha="right")
            axis.set_yticks(range(len(table)), table.index)
            axis.tick_params(length=0, labelsize="small")
            axis.set_title(title)
        figure.colorbar(drawn, ax=list(axes[0]), label="mean correlation", shrink=0.8)
    return figure


def detector_heatmap(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """AUROC of every detector on every OOD set, and the mean over the sets, in this order."""
    wide = table.pivot(index="detector", columns="ood", values="auroc")
    wide = wide[list(dict.fromkeys(table["ood"]))].loc[list(order)]
    wide = wide.assign(mean=wide.mean(axis=1))
    with style(axes_grid=False):
        figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.27 * len(wide)))
        _show(axis, wide, digits=3, least=0.5)
        axis.axvline(wide.shape[1] - 1.5, color="white", lw=3)
        axis.set_xlabel("OOD set")
        _colour_bar(figure, np.array([axis]))
    return figure


def _show(axis: Axes, table: pd.DataFrame, digits: int, least: float) -> None:
    """One table, from dark at ``least`` to light at 1, which greyscale shows too."""
    values = table.to_numpy(dtype=float)
    axis.imshow(values, cmap=_COLOURS, vmin=least, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.{digits}f}".removeprefix("0")
            text = "1.0" if text.startswith("1") else text
            colour = "white" if value < least + 0.55 * (1 - least) else "black"
            axis.text(j, i, text, ha="center", va="center", color=colour, fontsize="small")
    axis.set_xticks(range(table.shape[1]), [title_of(str(name)) for name in table.columns])
    axis.set_yticks(range(table.shape[0]), [title_of(str(name)) for name in table.index])
    for label in axis.get_xticklabels():
        label.set_rotation(35)
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
    axis.tick_params(length=0, labelsize="small")
    axis.spines[:].set_visible(False)


def _colour_bar(figure: Figure, axes: np.ndarray) -> None:
    """One scale for all panels, which have the same colours."""
    drawn = axes.flat[0].images[0]
    figure.colorbar(drawn, ax=list(axes.flat), label="AUROC", fraction=0.03, pad=0.02, aspect=30)
