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
    image_changes = Deferred("earlyglow_book.image_changes")
    image_shifts = Deferred("earlyglow_book.image_shifts")
    heatmaps, intervals, lines, road, style = (
        Deferred(f"earlyglow_book.figures.{name}")
        for name in ("heatmaps", "intervals", "lines", "road", "style")
    )
    measuring, reading = (
        Deferred(f"earlyglow_book.flow_runs.{name}") for name in ("measuring", "reading")
    )
    (
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
    ) = (
        Deferred(f"earlyglow_book.tables.{name}")
        for name in (
            "aurocs",
            "changes",
            "claims",
            "hypotheses",
            "inference",
            "maturity",
            "pairs",
            "published_rows",
            "regret",
            "stored",
        )
    )

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
