"""ID sets by OOD sets."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlyglow.plots.style import WIDTH, style
from earlyglow.titles import title_of


def auroc_heatmaps(tables: dict[str, pd.DataFrame], columns: int = 2) -> Figure:
    """AUROC of every ID set (rows) against every OOD set (columns), one panel for each table.

    Args:
        tables: title → table of AUROCs with ID sets as index and OOD sets as columns.
        columns: panels side by side.
    """
    columns = min(columns, len(tables))
    lines = -(-len(tables) // columns)
    first = next(iter(tables.values()))
    with style():
        size = (WIDTH, lines * (1.2 + 0.3 * len(first)))
        figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
        for axis, (title, table) in zip(axes.flat, tables.items(), strict=False):
            _show(axis, table)
            axis.set_title(title)
        for axis in axes.flat[len(tables) :]:
            axis.set_visible(False)
        for axis in axes[:, 0]:
            axis.set_ylabel("in-distribution")
    return figure


def _show(axis: Axes, table: pd.DataFrame) -> None:
    values = table.to_numpy(dtype=float)
    # Dark below chance and light above it in greyscale too.
    axis.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0"
            colour = "white" if value < 0.55 else "black"
            axis.text(j, i, text, ha="center", va="center", color=colour, fontsize="small")
    axis.set_xticks(range(table.shape[1]), [_short(name) for name in table.columns], rotation=35)
    axis.set_yticks(range(table.shape[0]), [_short(name) for name in table.index])
    for label in axis.get_xticklabels():
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _short(name: str) -> str:
    short = {"tiny_imagenet": "TinyIN", "fashion_mnist": "Fashion"}
    return short.get(name, title_of(name))
