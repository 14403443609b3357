"""The chapter's own figures: flows and detectors as training goes on, and stopping early."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlyglow_book.figures.style import COLOURS, LINES, MARKERS, panels, style
from earlyglow_book.tables.claims import MARGIN
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.pairs import trained_rows

# Factor between the epochs of detectors that stand side by side.
_DODGE = 1.07
# Where a logarithmic axis, which has no zero, shows the untrained flow.
_UNTRAINED_AT = 0.03


def maturity(bits: pd.DataFrame, means: dict[str, pd.DataFrame]) -> Figure:
    """How the flows improve, and what becomes of the detectors meanwhile.

    ``bits`` are published bits per dimension of held-out ID images, ``means`` by detector the means
    of its AUROC over pairs by epoch.
    """
    curves = trained_rows(bits).groupby([*FLOW, "epoch"])["bits_per_dim"].mean().unstack()
    above = curves.sub(curves.iloc[:, -1], axis=0)
    with style():
        figure, (left, right) = panels(2, height=3.8)
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


def change_bands(bands: dict[str, pd.DataFrame]) -> Figure:
    """Change of the mean AUROC back to each earlier epoch: value, low, high by epoch and score."""
    with style():
        figure, (axis,) = panels(1, height=3.4)
        for i, (name, band) in enumerate(bands.items()):
            places = band.index * _DODGE ** (i - (len(bands) - 1) / 2)
            reach = (band["value"] - band["low"], band["high"] - band["value"])
            look: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i], "ls": LINES[i]}
            axis.errorbar(places, band["value"], reach, label=name, elinewidth=1, **look)
        for edge in (0.0, -MARGIN):
            axis.axhline(edge, color="0.5", lw=1, ls=":")
        axis.set_xscale("log")
        axis.set_xticks(band.index, [f"{epoch:g}" for epoch in band.index])
        axis.minorticks_off()
        axis.set_xlabel("epoch at which training is stopped")
        axis.set_ylabel("AUROC there minus AUROC at the end")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def placebo_curve(placebo: pd.Series) -> Figure:
    """What the choice of an own epoch gains over each reference epoch; the last is the claim's."""
    with style():
        figure, (axis,) = panels(1, height=2.8)
        places = range(len(placebo))
        colours = ["0.7"] * (len(placebo) - 1) + [COLOURS[1]]
        axis.bar(places, placebo, color=colours)
        axis.set_xticks(places, [f"{epoch:g}" for epoch in placebo.index])
        axis.set_xlabel("reference epoch that the flow's own epoch is compared with")
        axis.set_ylabel("gain of the AUROC")
    return figure


def _with_bars(axis: Axes, rows: pd.DataFrame, **line: Any) -> None:
    """Means at x with their intervals: columns x, mean, low, high."""
    below, above = rows["mean"] - rows["low"], rows["high"] - rows["mean"]
    axis.errorbar(rows["x"], rows["mean"], (below, above), **line)
