"""The still picture of one pair: histograms, ROC, and AUROC at every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlyglow_book.figures.lines import AUROC
from earlyglow_book.figures.style import COLOURS, LINES, WIDTH, epoch_axis, style
from earlyglow_book.tables.regret import read_counts
from earlyglow_book.titles import title_of


def pair_figure(
    histograms: Mapping[str, pd.DataFrame], readings: pd.DataFrame, pair: tuple[str, str]
) -> Figure:
    """Four panels of one pair.

    Args:
        histograms: by a checkpoint's title, its rows of the table "histograms" with both sets.
        readings: columns epoch, auroc, low, high.
        pair: the ID set and the OOD set.
    """
    with style():
        figure, ((*above,), (rates, curve)) = plt.subplots(2, 2, figsize=(WIDTH, 5.4))
        for i, (axis, (title, rows)) in enumerate(zip(above, histograms.items(), strict=False)):
            _draw_histograms(axis, rows, pair)
            axis.set_title(title)
            shares = roc(*(_counts(rows, name) for name in pair))
            rates.plot(*shares, color=COLOURS[1 + i], ls=LINES[i], label=title)
        for axis in above[len(histograms) :]:
            axis.set_axis_off()
        above[0].legend(fontsize="small")
        rates.plot([0, 1], [0, 1], color="0.5", lw=1, ls=":")
        rates.set(xlabel="share of ID images above", ylabel="share of OOD images above")
        rates.legend(fontsize="small")
        epochs = readings["epoch"]
        curve.plot(epochs, readings["auroc"], color=COLOURS[1], marker="o")
        band = (readings["low"].astype(float), readings["high"].astype(float))
        curve.fill_between(epochs, *band, color=COLOURS[1], alpha=0.15, lw=0)
        epoch_axis(curve, epochs)
        curve.set_ylabel(AUROC)
    return figure


def roc(id_counts: np.ndarray, ood_counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of ID and OOD images above each edge of the bins, from none to all.

    Args:
        id_counts: of the ID images' scores, bins rising.
        ood_counts: of the OOD images', same bins.
    """
    above = (np.append(0, counts[::-1].cumsum(dtype=float)) for counts in (id_counts, ood_counts))
    of_id, of_ood = (shares / shares[-1] for shares in above)
    return of_id, of_ood


def _counts(rows: pd.DataFrame, name: str) -> np.ndarray:
    return read_counts(rows.loc[rows["dataset"] == name, "counts"].item())


def _draw_histograms(axis: Axes, rows: pd.DataFrame, pair: tuple[str, str]) -> None:
    """Both histograms without their outermost bins, which hold what lies beyond."""
    of_id, of_ood = (_counts(rows, name) / _counts(rows, name).sum() for name in pair)
    edges = np.linspace(rows["low"].iloc[0], rows["high"].iloc[0], len(of_id) + 1)[1:-1]
    id_title, ood_title = f"{title_of(pair[0])} (ID)", f"{title_of(pair[1])} (OOD)"
    axis.stairs(of_id[1:-1], edges, fill=True, color="0.75", label=id_title)
    axis.stairs(of_ood[1:-1], edges, color=COLOURS[1], label=ood_title)
    beyond = f"beyond: {of_ood[[0, -1]].sum():.0%} of OOD"
    axis.text(0.98, 0.6, beyond, transform=axis.transAxes, ha="right", fontsize="small")
    filled = np.flatnonzero((of_id + of_ood)[1:-1])
    axis.set_xlim(float(edges[filled[0]]), float(edges[filled[-1] + 1]))
    axis.set(xlabel="score (higher = more OOD)", ylabel="share of images")
