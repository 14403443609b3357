"""Two stored results side by side: what differs in their parameters and in their tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from earlyglow_book.results import Result


def differing_parameters(first: Result, second: Result) -> pd.DataFrame:
    """The parameters that two results do not share: columns parameter, first, second."""
    one, two = first.manifest["parameters"], second.manifest["parameters"]
    rows = [
        (name, one.get(name, "–"), two.get(name, "–"))
        for name in sorted({*one, *two})
        if one.get(name) != two.get(name)
    ]
    return pd.DataFrame(rows, columns=["parameter", "first", "second"])


def differing_tables(first: Result, second: Result) -> Iterator[tuple[str, pd.DataFrame]]:
    """For each table that both have, the numbers of the rows that both have.

    Rows are matched by every column that holds no floats, or epochs; rows that these do not tell
    apart count by their mean.

    Yields:
        The table's name; one row for each column of floats: mean in each result, and the mean and
        the largest difference.
    """
    for name in sorted(first.tables.keys() & second.tables.keys()):
        one, two = first.tables[name], second.tables[name]
        numbers = [c for c in one if c in two and one[c].dtype.kind == "f" and c != "epoch"]
        keys = [c for c in one if c in two and c not in numbers and one[c].dtype != object]
        keys += [c for c in one if c in two and one[c].dtype == object and _is_text(one[c])]
        if not keys or not numbers:
            continue
        # Rows that no key tells apart, as single scores, count by their mean.
        means = [
            table.astype(dict.fromkeys(keys, str)).groupby(keys)[numbers].mean()
            for table in (one, two)
        ]
        both = means[0].add_suffix("_first").join(means[1].add_suffix("_second"), how="inner")
        if both.empty:
            continue
        rows = []
        for column in numbers:
            a, b = both[f"{column}_first"], both[f"{column}_second"]
            change = (b - a).to_numpy(dtype=float)
            found = (a.mean(), b.mean(), np.nanmean(change), np.nanmax(np.abs(change)))
            rows.append((column, len(both), *found))
        columns = ["column", "rows", "first", "second", "mean change", "largest change"]
        yield name, pd.DataFrame(rows, columns=columns).round(4)


def _is_text(values: pd.Series) -> bool:
    return bool(len(values)) and isinstance(values.iloc[0], str)
