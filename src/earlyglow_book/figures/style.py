"""Figures in one style: readable at book width and in greyscale, axes with units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from earlyglow.datasets.catalogue import DATASETS

WIDTH = 7.2
# The control's name among scores; it looks the same in every figure.
NO_FLOW = "no flow"
NO_FLOW_LOOK: dict[str, Any] = {"color": "0.4", "ls": "-.", "marker": "x"}
# Okabe and Ito's colours, ordered by lightness so that they differ in greyscale too.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
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
def style(**changes: object) -> Iterator[None]:
    """The style of all figures for the code inside; changes such as ``axes_grid=False``."""
    settings = {name.replace("_", "."): value for name, value in changes.items()}
    with plt.rc_context({**_STYLE, **settings}):  # type: ignore[dict-item]
        yield
        interactive = plt.isinteractive()
    # A notebook's backend is loaded with its first figure and switches interactive mode on, which
    # leaving the context would undo: no later figure would be shown.
    matplotlib.interactive(interactive)


def panels(count: int, height: float, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """A row of panels as wide as the page."""
    figure, axes = plt.subplots(1, count, figsize=(WIDTH, height), sharey=share_y, squeeze=False)
    return figure, list(axes[0])


def line_style(dataset: str) -> dict[str, Any]:
    """Colour, marker and dash of a data set: the same in every figure."""
    names = list(DATASETS)
    # The user's own sets come after those of the catalogue, each at a place of its name's.
    number = names.index(dataset) if dataset in names else len(names) + crc32(dataset.encode()) % 6
    turn, place = divmod(number, len(COLOURS))
    # Sets of one colour differ in their dashes and markers.
    return {**_nth_look(place + turn), "color": COLOURS[place]}


def look(name: str, turn: int) -> dict[str, Any]:
    """Colour, marker and dash of a line: a data set's or the control's own, or the next ones."""
    if name == NO_FLOW:
        return NO_FLOW_LOOK
    return line_style(name) if name in DATASETS else _nth_look(turn)


def _nth_look(turn: int) -> dict[str, Any]:
    cycles = {"color": COLOURS, "marker": MARKERS, "ls": LINES}
    return {name: values[turn % len(values)] for name, values in cycles.items()}


def legend(figure: Figure, axes: list[Axes]) -> None:
    """One legend for all panels that show the same things, else one below each panel."""
    found = [axis.get_legend_handles_labels() for axis in axes]
    if all(labels == found[0][1] for _, labels in found):
        handles, labels = found[0]
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        return
    # Lines would be squashed where a legend is tall.
    tallest = max(len(labels) for _, labels in found)
    figure.set_figheight(figure.get_figheight() + 0.16 * max(0, tallest - 4))
    for axis in axes:
        legend_below(axis)


def legend_below(axis: Axes) -> None:
    """A panel's own legend under the label of its horizontal axis, however small the panel is."""
    # Inches and no share of the height: tick labels and the label are as tall in every panel.
    down = ScaledTranslation(0, -0.46, axis.figure.dpi_scale_trans)
    place = {"bbox_to_anchor": (0.5, 0.0), "bbox_transform": axis.transAxes + down}
    axis.legend(loc="upper center", fontsize="small", **place)


def epoch_axis(axis: Axes, epochs: pd.Series) -> None:
    """Epochs on a scale that is linear near 0 and logarithmic beyond."""
    _from_nothing(axis, epochs)
    axis.set_xlabel("epoch")


def images_axis(axis: Axes, images: pd.Series) -> None:
    """Images seen in training, on the same scale."""
    _from_nothing(axis, images)
    axis.xaxis.set_major_formatter(FuncFormatter(short_number))
    axis.set_xlabel("images seen")


def plain_decades(axis: Axes) -> None:
    """A logarithmic vertical axis with plain numbers at 1, 2 and 5 of each power of ten."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(short_number))
    axis.yaxis.set_minor_locator(NullLocator())


def short_number(number: float, _: int = 0) -> str:
    """A large number in few letters: "50k", "1M"; the place of a tick is not asked for."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _from_nothing(axis: Axes, epochs: pd.Series) -> None:
    trained = [epoch for epoch in sorted(epochs.unique()) if epoch > 0] or [1.0]
    axis.set_xscale("symlog", linthresh=trained[0], linscale=0.5)
    last = trained[-1]
    tens = [e for e in trained if math.isclose(math.log10(e) % 1, 0) and e < last / 2.5]
    untrained = (epochs == 0).any()
    shown = [*([0.0] if untrained else []), *tens, last]
    axis.set_xticks(shown, [f"{epoch:g}" for epoch in shown])
    axis.set_xlim((-0.25 if untrained else 0.5) * trained[0], 1.3 * last)
    axis.minorticks_off()
