"""Figures in one style: readable at book width and in greyscale, axes with units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from earlyglow.datasets import DATASETS

WIDTH = 7.2
# Okabe and Ito's colours, ordered by lightness so that they differ in greyscale too.
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
_STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "font.size": 9.5,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "savefig.dpi": 160,
}


@contextmanager
def style() -> Iterator[None]:
    """The style of all figures of the book, for the code inside."""
    with plt.rc_context(_STYLE):
        yield
        interactive = plt.isinteractive()
    # A notebook's backend is loaded with its first figure and switches interactive mode on, which
    # leaving the context would undo: no later figure would be shown.
    matplotlib.interactive(interactive)


def title_of(dataset: str) -> str:
    """A data set's name for readers."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset


def auroc_over_epochs(tables: dict[str, pd.DataFrame]) -> Figure:
    """AUROC against epoch, one panel per table and one line per OOD set, with interval bands.

    Args:
        tables: panel title → rows of one detector of :func:`~earlyglow.experiments.auroc_table`.
    """
    with style():
        figure, axes = _panels(len(tables), height=3.6, share_y=True)
        for axis, (title, table) in zip(axes, tables.items(), strict=True):
            for ood, rows in table.groupby("ood", observed=True):
                line = _line_style(ood)
                axis.plot(rows["epoch"], rows["auroc"], label=title_of(ood), **line)
                axis.fill_between(
                    rows["epoch"], rows["low"], rows["high"], color=line["color"], alpha=0.15, lw=0
                )
            axis.axhline(0.5, color="0.5", lw=1, ls=":")
            axis.set_title(title)
            _epoch_axis(axis, table["epoch"])
        axes[0].set_ylabel("AUROC (0.5 = chance)")
        _legend(figure, axes)
    return figure


def score_histograms(
    scores: pd.DataFrame, id_dataset: str, epochs: Sequence[float], score_name: str
) -> Figure:
    """Histograms of one detector's scores at a few epochs: ID filled, OOD sets as outlines."""
    with style():
        figure, axes = _panels(len(epochs), height=2.8, share_y=False)
        for axis, epoch in zip(axes, epochs, strict=True):
            at = scores[scores["epoch"] == epoch]
            low, high = np.quantile(at["score"], [0.005, 0.96])
            bins = np.linspace(low, high, 41)
            by_set = dict(list(at.groupby("dataset", observed=True)["score"]))
            inside = by_set.pop(id_dataset)
            axis.hist(
                np.clip(inside, low, high),
                bins,
                density=True,
                color="0.75",
                label=f"{title_of(id_dataset)} (ID)",
            )
            for name, values in by_set.items():
                line = _line_style(name)
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
        _legend(figure, axes)
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
            line = _line_style(name) | ({"lw": 3.2} if is_id else {})
            axis.errorbar(
                rows["epoch"],
                rows["bits_per_dim"],
                1.96 * rows["standard_error"],
                label=label,
                **line,
            )
        _epoch_axis(axis, epochs["epoch"])
        axis.set_ylabel("bits per dimension (lower = likelier)")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def picture_rows(pictures: pd.DataFrame, rows: dict[str, tuple[str, float]]) -> Figure:
    """Rows of stored pictures.

    Args:
        pictures: columns kind, epoch, shape, pixels.
        rows: label → (kind, epoch) of each row.
    """
    images = {
        label: unpack(pictures[(pictures["kind"] == kind) & (pictures["epoch"] == epoch)])
        for label, (kind, epoch) in rows.items()
    }
    return image_rows({label: row for label, row in images.items() if len(row)})


def image_rows(rows: dict[str, NDArray[np.uint8]]) -> Figure:
    """One row of images for each label; images uint8 (N, C, H, W)."""
    count = max(len(images) for images in rows.values())
    with style():
        cell = (WIDTH - 1.2) / count
        figure, axes = plt.subplots(
            len(rows), 1, figsize=(WIDTH, (cell + 0.06) * len(rows)), squeeze=False
        )
        for axis, (label, images) in zip(axes[:, 0], rows.items(), strict=True):
            _show_row(axis, images, count)
            axis.set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def samples_of(pictures: pd.DataFrame, epochs: Sequence[float]) -> dict[str, tuple[str, float]]:
    """The rows for :func:`picture_rows` that hold samples, in the order of the epochs."""
    kept = set(pictures.loc[pictures["kind"] == "sample", "epoch"])
    return {f"epoch {epoch:g}": ("sample", epoch) for epoch in epochs if epoch in kept}


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
        figure, axes = _panels(len(scores), height=2.6, share_y=False)
        for axis, (name, (inside, outside)) in zip(axes, scores.items(), strict=True):
            values = np.concatenate((inside.cpu().numpy(), outside.cpu().numpy()))
            low, high = np.quantile(values, [0.0, 0.97])
            bins = np.linspace(low, high, 41)
            axis.hist(np.clip(inside, low, high), bins, color="0.75", label=f"{id_title} (ID)")
            axis.hist(
                np.clip(outside, low, high),
                bins,
                histtype="step",
                color=_COLOURS[1],
                label=f"{ood_title} (OOD)",
            )
            axis.set_title(name)
            axis.set_xlabel("score (higher = more OOD)")
        axes[0].set_ylabel("items")
        _legend(figure, axes)
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
                color=_COLOURS[i],
                marker=_MARKERS[i],
                ls="none",
            )
        axis.set_yticks(range(len(sets)), [title_of(name) for name in sets])
        axis.invert_yaxis()
        axis.axvline(0.5, color="0.5", lw=1, ls=":")
        axis.set_xlim(-0.02, 1.02)
        axis.set_xlabel("AUROC with 95 % interval (0.5 = chance)")
        figure.legend(loc="outside upper center", ncols=len(names))
    return figure


def detector_title(detector: str, objective: str) -> str:
    """A detector's name for readers."""
    titles = {
        ("layer_gradients", "log_prob"): "gradients of log p",
        ("layer_gradients", "sum_z"): "gradients of Σ z",
        ("likelihood", ""): "likelihood",
        ("typicality", ""): "typicality",
    }
    return titles.get((detector, objective), f"{detector} {objective}".strip())


def _panels(count: int, height: float, share_y: bool) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(1, count, figsize=(WIDTH, height), sharey=share_y, squeeze=False)
    return figure, list(axes[0])


def _line_style(dataset: str) -> dict[str, Any]:
    """Colour, marker and dash of a data set: the same in every figure."""
    alike = [name for name, known in DATASETS.items() if known.shape == DATASETS[dataset].shape]
    turn = alike.index(dataset) % len(_COLOURS)
    return {"color": _COLOURS[turn], "marker": _MARKERS[turn], "ls": _LINES[turn]}


def _epoch_axis(axis: Axes, epochs: pd.Series) -> None:
    """Epochs on a scale that is linear near 0 and logarithmic beyond."""
    trained = [epoch for epoch in sorted(epochs.unique()) if epoch > 0] or [1.0]
    axis.set_xscale("symlog", linthresh=trained[0], linscale=0.5)
    last = trained[-1]
    tens = [e for e in trained if math.isclose(math.log10(e) % 1, 0) and e < last / 2.5]
    shown = [0.0, *tens, last]
    axis.set_xticks(shown, [f"{epoch:g}" for epoch in shown])
    axis.set_xlim(-0.25 * trained[0], 1.3 * last)
    axis.minorticks_off()
    axis.set_xlabel("epoch")


def _legend(figure: Figure, axes: list[Axes]) -> None:
    """One legend for all panels that show the same things, else one below each panel."""
    found = [axis.get_legend_handles_labels() for axis in axes]
    if all(labels == found[0][1] for _, labels in found):
        handles, labels = found[0]
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        return
    for axis in axes:
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize="small")


def unpack(pictures: pd.DataFrame) -> NDArray[np.uint8]:
    """Stored pictures as uint8 (N, C, H, W)."""
    if not len(pictures):
        return np.zeros((0, 1, 1, 1), np.uint8)
    shape = tuple(map(int, pictures["shape"].iloc[0].split("x")))
    flat = [np.frombuffer(pixels, np.uint8) for pixels in pictures["pixels"]]
    return np.stack(flat).reshape(-1, *shape)


def _show_row(axis: Axes, images: NDArray[np.uint8], count: int) -> None:
    _, channels, height, width = images.shape
    strip = np.full((height, count * (width + 1) - 1, channels), 255, np.uint8)
    for i, image in enumerate(images):
        left = i * (width + 1)
        strip[:, left : left + width] = image.transpose(1, 2, 0)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if channels == 1 else {}
    axis.imshow(strip[..., 0] if channels == 1 else strip, interpolation="nearest", **grey)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
