"""The book's own modules that chapters use, imported at their first use.

They need torch, pandas or matplotlib, for which the command line does not wait; see
:mod:`earlyglow_book.deferred`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earlyglow_book.deferred import Deferred

if TYPE_CHECKING:
    from earlyglow_book import image_changes, image_shifts
    from earlyglow_book.figures import heatmaps, intervals, lines, road, style
    from earlyglow_book.flow_runs import measuring, reading
    from earlyglow_book.tables import (
        aurocs,
        changes,
        claims,
        hypotheses,
        inference,
        maturity,
        pairs,
        published_rows,
        regret,
        stored,
    )
else:
    for _folder, _names in {
        "": "image_changes image_shifts",
        "figures.": "heatmaps intervals lines road style",
        "flow_runs.": "measuring reading",
        "tables.": "aurocs changes claims hypotheses inference maturity pairs published_rows "
        "regret stored",
    }.items():
        for _name in _names.split():
            globals()[_name] = Deferred(f"earlyglow_book.{_folder}{_name}")

__all__ = [
    "aurocs",
    "changes",
    "claims",
    "heatmaps",
    "hypotheses",
    "image_changes",
    "image_shifts",
    "inference",
    "intervals",
    "lines",
    "maturity",
    "measuring",
    "pairs",
    "published_rows",
    "reading",
    "regret",
    "road",
    "stored",
    "style",
]
