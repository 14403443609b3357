"""Histograms of the scores of ID images and OOD images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from earlyglow_book.figures.style import COLOURS, legend, line_style, panels, style
from earlyglow_book.titles import title_of

if TYPE_CHECKING:
    from torch import Tensor

_FILLED: dict[str, Any] = {"histtype": "stepfilled", "color": "0.75"}


def score_histograms(
    scores: pd.DataFrame, id_dataset: str, epochs: Sequence[float], score_name: str
) -> Figure:
    """Histograms of one detector's scores at a few epochs: ID filled, OOD sets as outlines."""
    with style():
        figure, axes = panels(len(epochs), height=2.8)
        for axis, epoch in zip(axes, epochs, strict=True):
            at_epoch = scores[scores["epoch"] == epoch]
            by_set = dict(list(at_epoch.groupby("dataset", observed=True)["score"]))
            id_scores = by_set.pop(id_dataset)
            ends = np.quantile(at_epoch["score"], [0.005, 0.96])
            id_title = f"{title_of(id_dataset)} (ID)"
            _histogram(axis, id_scores, ends, label=id_title, density=True, **_FILLED)
            for name, values in by_set.items():
                line = {key: line_style(str(name))[key] for key in ("color", "ls")}
                title = title_of(str(name))
                _histogram(axis, values, ends, label=title, density=True, histtype="step", **line)
            axis.set_title(f"epoch {epoch:g}")
            axis.set_yticks([])
            axis.set_xlabel(score_name)
        axes[0].set_ylabel("density")
        legend(figure, axes)
    return figure


def two_histograms(
    scores: Mapping[str, tuple[Tensor, Tensor]], id_title: str, ood_title: str
) -> Figure:
    """ID and OOD scores of each detector, one panel per detector."""
    with style():
        figure, axes = panels(len(scores), height=2.6)
        for axis, (name, (id_scores, ood_scores)) in zip(axes, scores.items(), strict=True):
            id_values, ood_values = id_scores.cpu().numpy(), ood_scores.cpu().numpy()
            ends = np.quantile(np.concatenate((id_values, ood_values)), [0.0, 0.97])
            _histogram(axis, id_values, ends, label=f"{id_title} (ID)", **_FILLED)
            line = {"histtype": "step", "color": COLOURS[1], "ls": "-"}
            _histogram(axis, ood_values, ends, label=f"{ood_title} (OOD)", **line)
            axis.set_title(name)
            axis.set_xlabel("score (higher = more OOD)")
        axes[0].set_ylabel("items")
        legend(figure, axes)
    return figure


def _histogram(axis: Axes, values: ArrayLike, ends: ArrayLike, **drawn: Any) -> None:
    """Forty bins between the ends; what lies outside of them is put on them."""
    low, high = np.asarray(ends)
    bins = np.linspace(low, high, 41).tolist()
    axis.hist(np.clip(np.asarray(values), low, high), bins, **drawn)
