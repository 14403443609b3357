"""What norms and training steps cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from earlyglow_book.chapters.cost.growth import exponents
from earlyglow_book.figures.style import COLOURS, MARKERS, legend, look, panels, style

_RATE = "images per second"
# The largest ratio of an axis' ends whose labels at 1, 2 and 5 have room beside each other.
_WIDE = 60


def speeds_of(speeds: pd.DataFrame, contenders: dict[str, str]) -> Figure:
    """Images per second with their spread, a panel for each case with at least two contenders.

    Args:
        speeds: rows of ``speed_table``; of several batch sizes the fastest is shown.
        contenders: name in the table → label, in the order of the rows.
    """
    chosen = speeds[speeds["contender"].isin(list(contenders))]
    present = chosen.groupby("case", sort=False)["contender"].nunique()
    cases = list(present.index[present > 1])
    with style():
        figure, axes = panels(len(cases), height=0.7 + 0.32 * len(contenders), share_y=True)
        for axis, case in zip(axes, cases, strict=True):
            rows = chosen[chosen["case"] == case]
            best = rows.loc[rows.groupby("contender")["images_per_second"].idxmax()]
            _points(axis, best.set_index("contender"), list(contenders))
            axis.set_title(case)
            axis.set_xlabel(_RATE)
        axes[0].set_yticks(range(len(contenders)), list(contenders.values()))
        axes[0].invert_yaxis()
    return figure


def cost_by_batch_size(speeds: pd.DataFrame) -> Figure:
    """Images per second of the batched norms against the batch size, one line per case."""
    rows = speeds[speeds["contender"] == "batched"]
    sizes = sorted(rows["images"].unique())
    with style():
        figure, (axis,) = panels(1, height=3.0)
        for i, (case, own) in enumerate(rows.groupby("case", sort=False)):
            axis.plot(own["images"], own["images_per_second"], label=case, **look(str(case), i))
            ends = own["slowest"], own["fastest"]
            axis.fill_between(own["images"], *ends, color=COLOURS[i], alpha=0.15, lw=0)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        axis.set_xlabel("images in one pass")
        axis.set_ylabel(_RATE)
        legend(figure, [axis])
    return figure


def growth_of(table: pd.DataFrame, contenders: Sequence[str]) -> Figure:
    """Seconds of a call against each quantity, both relative to its smallest value, log-log.

    Args:
        table: of ``growth_table``.
        contenders: those that are drawn, a panel each; the legend has the first one's exponents.
    """
    fitted, quantities = exponents(table), list(table["quantity"].unique())
    with style():
        figure, axes = panels(len(contenders), height=3.4, share_y=True)
        for axis, contender in zip(axes, contenders, strict=True):
            own = table[table["contender"] == contender]
            for quantity, rows in own.groupby("quantity", sort=False):
                times = rows["value"] / rows["value"].min()
                # Adding zero takes the sign from a rounded -0.
                power = round(fitted[contender, quantity], 1) + 0.0
                seconds = rows["seconds"] / rows["seconds"].iloc[0]
                name = f"{quantity} ({power:.1f})" if axis is axes[0] else str(quantity)
                axis.plot(
                    times, seconds, label=name, **look(str(quantity), quantities.index(quantity))
                )
            axis.set_xscale("log", base=2)
            axis.set_yscale("log", base=2)
            for side in (axis.xaxis, axis.yaxis):
                side.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
            axis.set_title(contender)
            axis.set_xlabel("times the smallest value")
        axes[0].set_ylabel("times its seconds")
        legend(figure, [axes[0]])
    return figure


def _points(axis: Axes, rows: pd.DataFrame, contenders: list[str]) -> None:
    for i, name in enumerate(contenders):
        if name in rows.index:
            value, slowest, fastest = rows.loc[name, ["images_per_second", "slowest", "fastest"]]
            reach = [[value - slowest], [fastest - value]]
            axis.errorbar(value, i, xerr=reach, color=COLOURS[0], marker=MARKERS[0], ls="none")
            axis.text(fastest * 1.25, i, f"{value:.3g}", va="center", fontsize="small")
    axis.set_xscale("log")
    least, most = rows["slowest"].min() / 2, rows["fastest"].max() * 6
    # Where a panel spans two powers of ten, labels at 2 and 5 would run into each other.
    few = most / least > _WIDE
    axis.xaxis.set_major_locator(LogLocator(subs=(1,) if few else (1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axis.minorticks_off()
    axis.set_xlim(least, most)
    axis.margins(y=0.15)
