"""The chapter's own figure: AUROC against the share of features that are cut."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from earlyglow_book.figures.lines import line_panels, ticked


def over_fractions(
    tables: Mapping[str, pd.DataFrame], series: str, reference: float, name: str
) -> Figure:
    """Mean AUROC over the OOD sets against the share of features that are cut.

    Args:
        tables: title → rows with columns fraction, auroc, ood and ``series``.
        series: column that names the lines.
        reference: mean AUROC without an intervention, a dotted line.
        name: of the reference.
    """
    means = {}
    for title, rows in tables.items():
        by_share = rows.groupby([series, "fraction"], observed=True, sort=False)["auroc"].mean()
        mean = by_share.reset_index(name="mean")
        means[title] = mean.assign(percent=100 * mean["fraction"])
    label = "mean AUROC over OOD sets"
    axis = ticked("features cut (%)", logarithmic=True)
    return line_panels(means, "percent", "mean", series, axis, label, 2.9, (reference, name))
