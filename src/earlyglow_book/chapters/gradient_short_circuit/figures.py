"""Figures of Gradient Short-Circuit."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from earlyglow.plots.style import COLOURS, LINES, MARKERS, WIDTH, legend, panels, style
from earlyglow.titles import title_of
from matplotlib.figure import Figure

_ROW_HEIGHT = 0.27


def detector_heatmap(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """AUROC of every detector on every OOD set, and the mean over the sets.

    Args:
        table: columns detector, ood, auroc.
        order: the detectors, from top to bottom.
    """
    wide = table.pivot(index="detector", columns="ood", values="auroc")
    wide = wide[list(dict.fromkeys(table["ood"]))].loc[list(order)]
    wide = wide.assign(mean=wide.mean(axis=1))
    with style(axes_grid=False):
        figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + _ROW_HEIGHT * len(wide)))
        axis.imshow(wide, vmin=0.5, vmax=1, cmap="Greys", aspect="auto")
        for i, values in enumerate(wide.to_numpy()):
            for j, value in enumerate(values):
                colour = "white" if value > 0.8 else "black"
                axis.text(j, i, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=8)
        names = [title_of(str(name)) for name in wide.columns]
        axis.set_xticks(range(len(names)), names, rotation=35, ha="left", fontsize=8)
        axis.xaxis.tick_top()
        axis.set_yticks(range(len(wide)), wide.index)
        axis.axvline(len(names) - 1.5, color="white", lw=3)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return figure


def auroc_by_fraction(
    tables: dict[str, pd.DataFrame], series: str, reference: float, name: str
) -> Figure:
    """Mean AUROC over the OOD sets against the share of features that are cut.

    Args:
        tables: title → rows with columns fraction, auroc, ood and ``series``.
        series: column that names the lines.
        reference: mean AUROC without an intervention, a dotted line.
        name: of the reference.
    """
    with style():
        figure, axes = panels(len(tables), height=2.9, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for i, (label, rows) in enumerate(table.groupby(series, observed=True, sort=False)):
                means = rows.groupby("fraction")["auroc"].mean()
                axis.plot(
                    100 * means.index,
                    means,
                    label=str(label),
                    color=COLOURS[i],
                    marker=MARKERS[i],
                    ls=LINES[i],
                )
            axis.axhline(reference, color="0.4", lw=1.2, ls=":", label=name)
            shares = sorted(100 * table["fraction"].unique())
            axis.set_xscale("log")
            axis.set_xticks(shares, [f"{share:g}" for share in shares])
            axis.minorticks_off()
            axis.set_title(title)
            axis.set_xlabel("features cut (%)")
        axes[0].set_ylabel("mean AUROC over OOD sets")
        legend(figure, axes)
    return figure
