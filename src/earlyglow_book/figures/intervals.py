"""Numbers with their intervals, one row for each thing that is compared."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlyglow_book.figures.style import WIDTH, look, style
from earlyglow_book.titles import title_of


def intervals_by_row(
    panels: dict[str, pd.DataFrame],
    row: str,
    series: str,
    value: str = "auroc",
    ends: tuple[str, str] = ("low", "high"),
    label: str = "AUROC with 95 % interval (0.5 = chance)",
    reference: float = 0.5,
) -> Figure:
    """One panel for each title's table, one row for each thing, one marker for each series.

    ``row``, ``series``, ``value`` and ``ends`` are columns; rows stand in the order in which they
    come first, and a dotted line at the reference.
    """
    rows = list(dict.fromkeys(str(name) for table in panels.values() for name in table[row]))
    names = list(dict.fromkeys(name for table in panels.values() for name in table[series]))
    with style(axes_grid_axis="x"):
        size = (WIDTH, 1.2 + (0.2 + 0.06 * len(names)) * len(rows))
        figure, axes = plt.subplots(
            1, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False
        )
        for axis, (title, table) in zip(axes[0], panels.items(), strict=True):
            for i, name in enumerate(names):
                part = table[table[series] == name]
                places = np.array([rows.index(str(x)) for x in part[row]], dtype=float)
                places += 0.7 * ((i + 0.5) / len(names) - 0.5)
                reach = np.abs(part[list(ends)].to_numpy().T - part[value].to_numpy())
                line = look(str(name), i) | {"ls": "none", "ms": 4, "label": _text(name)}
                axis.errorbar(part[value], places, xerr=reach, **line)
            for edge in range(1, len(rows)):
                axis.axhline(edge - 0.5, color="0.9", lw=0.8, zorder=0)
            axis.axvline(reference, color="0.5", lw=1, ls=":")
            axis.set_title(title)
        axes[0][0].set_yticks(range(len(rows)), [title_of(name) for name in rows])
        axes[0][0].invert_yaxis()
        figure.supxlabel(label, fontsize="medium")
        if len(names) > 1:
            handles, labels = axes[0][0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=min(len(names), 5))
    return figure


def by_epoch(table: pd.DataFrame, epochs: Sequence[float]) -> pd.DataFrame:
    """The rows of some epochs, with a column that names the epoch for a legend."""
    chosen = table[table["epoch"].isin(epochs)].sort_values("epoch", kind="stable")
    return chosen.assign(when=[f"epoch {epoch:g}" for epoch in chosen["epoch"]])


def _text(name: object) -> str:
    return f"{name:g}" if isinstance(name, float) else title_of(str(name))
