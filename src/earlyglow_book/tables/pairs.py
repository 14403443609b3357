"""Means over pairs of an ID set and an OOD set, with intervals that know of the ID sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from earlyglow.datasets.catalogue import DATASETS
from earlyglow_book.tables.columns import FLOW, PAIR, SETS
from earlyglow_book.tables.readable import readable
from earlyglow_book.tables.texts import as_text


class Mean(NamedTuple):
    """A mean over pairs of sets, its interval, and how many pairs and ID sets it is over.

    The value is NaN where there is no pair, and the interval infinite where there is one ID set.
    """

    value: float
    low: float
    high: float
    pairs: int
    id_sets: int

    def __str__(self) -> str:
        return as_text(self.value, self.low, self.high)


def early_and_late(rows: pd.DataFrame) -> tuple[float, float]:
    """The first trained epoch and the last that all flows have in common."""
    common = set.intersection(*(set(part["epoch"]) for _, part in rows.groupby(FLOW)))
    trained = sorted(epoch for epoch in common if epoch > 0)
    return trained[0], trained[-1]


def matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean AUROCs over seeds as a table of ID sets by OOD sets, both in the catalogue's order."""
    table = rows.groupby(SETS)["auroc"].mean().unstack()
    order = list(DATASETS)
    own, ood = (
        sorted(names, key=lambda name: order.index(name) if name in order else len(order))
        for names in (table.index, table.columns)
    )
    return table.loc[own, ood]


def pairs_by_complexity(pairs: pd.Index, complexity: pd.DataFrame) -> tuple[pd.Index, pd.Index]:
    """Pairs (``PAIR``) whose OOD images have shorter PNG files than the ID images, and the others.

    Of the rows of complexity the columns dataset and png_bits are read.
    """
    bits = complexity.groupby("dataset")["png_bits"].mean()
    of_id, of_ood = (bits.reindex(pairs.get_level_values(name)).to_numpy() for name in SETS)
    return pairs[of_ood < of_id], pairs[of_ood >= of_id]


def mean_over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean AUROCs: one row per pair, one column per epoch."""
    return rows.groupby([*PAIR, "epoch"])["auroc"].mean().unstack("epoch")


def gain_of_epoch(rows: pd.DataFrame, epoch: float) -> pd.Series:
    """AUROC at one epoch minus AUROC at the last, for each pair."""
    _, last = early_and_late(rows)
    table = mean_over_seeds(rows)
    return table[epoch] - table[last]


def trained_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of flows that were trained at all."""
    return rows[rows["epoch"] > 0]


def mean_over_pairs(values: pd.Series) -> Mean:
    """Mean of one number for each pair, with an interval that knows of their ID sets.

    The pairs of one ID set share images and checkpoints and are not independent. The variance is
    the cluster-robust one over ID sets, and the interval Student's with one degree of freedom less
    than there are ID sets. That OOD sets are shared too is not taken into account. Values have
    ``PAIR`` as index.
    """
    known = values.dropna().astype(float)
    sets = known.index.get_level_values("id_dataset").nunique()
    if sets < 2:
        return Mean(float(known.mean()), -math.inf, math.inf, len(known), sets)
    # What each pair contributes to the deviation.
    shares = (known - known.mean()) / len(known)
    of_sets = shares.groupby(level="id_dataset").sum().to_numpy()
    error = math.sqrt(sets / (sets - 1) * float((of_sets**2).sum()))
    reach = float(stats.t.ppf(0.975, sets - 1)) * error
    value = float(known.mean())
    return Mean(value, value - reach, value + reach, len(known), sets)


def mean_and_pairs(values: pd.Series) -> str:
    """:func:`mean_over_pairs` and the number of pairs, as text."""
    mean = mean_over_pairs(values)
    return f"{mean} ({mean.pairs} pairs)"


def negative(mean: Mean) -> Mean:
    """The mean of the numbers with the other sign."""
    return mean._replace(value=-mean.value, low=-mean.high, high=-mean.low)


def within_range(mean: Mean, least: float, most: float) -> Mean:
    """The mean with ends that are no further out than the number can be."""
    if not math.isfinite(mean.low):
        return mean
    return mean._replace(low=max(mean.low, least), high=min(mean.high, most))


def correlation_within(rows: pd.DataFrame, x: str, y: str) -> pd.Series:
    """Spearman's rank correlation of two columns over the epochs of each pair and seed.

    Pairs in which a column does not vary are left out, for they have none.
    """
    within = [*PAIR, "seed"]
    found = {
        keys: _spearman(part[x].to_numpy(dtype=float), part[y].to_numpy(dtype=float))
        for keys, part in rows.groupby(within, observed=True)
    }
    correlations = pd.Series(found, dtype=float).dropna()
    correlations.index.names = within
    return correlations


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.spearmanr(x, y).statistic)


def means_over_pairs(rows: pd.DataFrame, by: Sequence[str], value: str = "auroc") -> pd.DataFrame:
    """:func:`mean_over_pairs` for each combination of ``by``.

    Seeds are averaged first: they are repetitions of a pair, not pairs of their own.

    Returns:
        Columns ``by``, mean, low, high, pairs, id_sets; intervals of AUROCs end at 0 and 1.
    """
    found = []
    for keys, part in rows.groupby(list(by), observed=True, sort=False):
        mean = mean_over_pairs(part.groupby(PAIR, observed=True)[value].mean())
        found.append([*keys, *(within_range(mean, 0, 1) if value == "auroc" else mean)])
    return pd.DataFrame(found, columns=[*by, "mean", "low", "high", "pairs", "id_sets"])


def wide(means: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Means with their intervals as text, one cell per combination, with titles for readers."""
    cells = [as_text(r.mean, r.low, r.high) for r in means.itertuples()]
    table = means.assign(cell=cells).pivot(index=list(rows), columns=list(columns), values="cell")
    kept = list(dict.fromkeys(means[list(rows)].itertuples(index=False, name=None)))
    return readable(table.loc[[key[0] if len(rows) == 1 else key for key in kept]])
