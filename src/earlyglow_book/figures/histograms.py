"""Histograms of the scores of ID images and OOD images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from earlyglow_book.figures.style import COLOURS, legend, line_style, panels, style
from earlyglow_book.titles import title_of

if TYPE_CHECKING:
    from torch import Tensor


def score_histograms(
    scores: pd.DataFrame, id_dataset: str, epochs: Sequence[float], score_name: str
) -> Figure:
    """Histograms of one detector's scores at a few epochs: ID filled, OOD sets as outlines."""
    with style():
        figure, axes = panels(len(epochs), height=2.8, share_y=False)
        for axis, epoch in zip(axes, epochs, strict=True):
            at_epoch = scores[scores["epoch"] == epoch]
            by_set = dict(list(at_epoch.groupby("dataset", observed=True)["score"]))
            id_scores = by_set.pop(id_dataset)
            ends = np.quantile(at_epoch["score"], [0.005, 0.96])
            _filled(axis, id_scores, ends, f"{title_of(id_dataset)} (ID)", density=True)
            for name, values in by_set.items():
                line = line_style(str(name))
                _outline(axis, values, ends, title_of(str(name)), line["color"], line["ls"], True)
            axis.set_title(f"epoch {epoch:g}")
            axis.set_yticks([])
            axis.set_xlabel(score_name)
        axes[0].set_ylabel("density")
        legend(figure, axes)
    return figure


def two_histograms(
    scores: Mapping[str, tuple[Tensor, Tensor]], id_title: str, ood_title: str
) -> Figure:
    """ID and OOD scores of each detector, one panel per detector.

    Args:
        scores: detector's name → (ID scores, OOD scores).
        id_title: the ID set's name.
        ood_title: the OOD set's name.
    """
    with style():
        figure, axes = panels(len(scores), height=2.6, share_y=False)
        for axis, (name, (id_scores, ood_scores)) in zip(axes, scores.items(), strict=True):
            id_values, ood_values = id_scores.cpu().numpy(), ood_scores.cpu().numpy()
            ends = np.quantile(np.concatenate((id_values, ood_values)), [0.0, 0.97])
            _filled(axis, id_values, ends, f"{id_title} (ID)", density=False)
            _outline(axis, ood_values, ends, f"{ood_title} (OOD)", COLOURS[1], "-", False)
            axis.set_title(name)
            axis.set_xlabel("score (higher = more OOD)")
        axes[0].set_ylabel("items")
        legend(figure, axes)
    return figure


def _filled(axis: Axes, values: ArrayLike, ends: ArrayLike, label: str, density: bool) -> None:
    clipped, bins = _clipped(values, ends)
    axis.hist(clipped, bins, density=density, histtype="stepfilled", color="0.75", label=label)


def _outline(
    axis: Axes,
    values: ArrayLike,
    ends: ArrayLike,
    label: str,
    colour: str,
    dash: object,
    density: bool,
) -> None:
    clipped, bins = _clipped(values, ends)
    axis.hist(clipped, bins, density=density, histtype="step", color=colour, ls=dash, label=label)


def _clipped(values: ArrayLike, ends: ArrayLike) -> tuple[np.ndarray, list[float]]:
    """Scores with what lies outside of the ends put on them, and forty bins between."""
    low, high = np.asarray(ends)
    return np.clip(np.asarray(values), low, high), np.linspace(low, high, 41).tolist()
