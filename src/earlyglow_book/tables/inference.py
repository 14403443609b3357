"""Inference over pairs of data sets, each of which takes part in many pairs.

A pair's number depends on its ID set and on its OOD set, and a set may have both roles: pairs are
not independent, and intervals that resample one role alone are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from earlyglow.metrics import Estimate
from earlyglow_book.tables.columns import SETS
from earlyglow_book.tables.pairs import Mean

_DRAWS = 20_000


def student(values: pd.Series) -> Estimate:
    """Mean of independent values with Student's 95 % interval, which is NaN for a single one."""
    mean, count = float(values.mean()), len(values)
    reach = float(stats.t.ppf(0.975, count - 1) * values.std() / math.sqrt(count))
    return Estimate(mean, mean - reach, mean + reach)


def node_jackknife(values: pd.Series) -> Estimate:
    """Mean over pairs; its 95 % interval from deleting each data set in both of its roles.

    It is a t interval with K - 1 degrees of freedom, K the number of data sets.

    Args:
        values: a number for each pair, with index levels id_dataset and ood; others are allowed.

    Raises:
        ValueError: fewer than 3 data sets, or one that is part of every pair.

    Source: jackknife over nodes as for dyadic data, Snijders and Borgatti 1999.
    """
    band = simultaneous_band(values.to_frame("value"))
    value, low, high = band.loc["value", ["value", "low", "high"]]
    return Estimate(value, low, high)


def by_pair(values: pd.Series) -> pd.Series:
    """One number for each pair of sets: models and seeds are averaged, as far as they are there."""
    return values.dropna().groupby(level=SETS).mean()


def mean_over_sets(values: pd.Series) -> Mean:
    """Mean over pairs with :func:`node_jackknife`'s interval; models are averaged first.

    The interval is infinite where there are fewer than 3 data sets or one is part of every pair.

    Args:
        values: a number for each pair and model, with index levels id_dataset and ood.
    """
    numbers = by_pair(values)
    id_sets = numbers.index.get_level_values("id_dataset").nunique()
    try:
        estimate = node_jackknife(numbers)
    except ValueError:
        estimate = Estimate(float(numbers.mean()), -math.inf, math.inf)
    return Mean(*estimate, len(numbers), id_sets)


def difference_over_sets(first: pd.Series, second: pd.Series) -> Mean:
    """Mean over the first pairs minus mean over the second, as :func:`mean_over_sets`.

    Deleting a data set deletes it from both; the side with fewer ID sets is counted.

    Args:
        first: a number for each pair and model, with index levels id_dataset and ood.
        second: the same of other pairs.
    """
    parts = [by_pair(values) for values in (first, second)]
    id_sets = min(part.index.get_level_values("id_dataset").nunique() for part in parts)
    both = pd.concat(parts, axis=1, keys=["first", "second"])
    value = float(both["first"].mean() - both["second"].mean())
    try:
        left_out = _left_out(both)
    except ValueError:
        return Mean(value, -math.inf, math.inf, len(both), id_sets)
    differences = left_out[:, :1] - left_out[:, 1:]
    reach = float(_deviation(differences)[0] * stats.t.ppf(0.975, len(differences) - 1))
    return Mean(value, value - reach, value + reach, len(both), id_sets)


def simultaneous_band(values: pd.DataFrame) -> pd.DataFrame:
    """Means over pairs of several columns, with a 95 % band that covers all of them at once.

    The critical value is that of the largest |t| of a multivariate t distribution with the
    correlations that the node jackknife shows; of one column it is t's own.

    Args:
        values: a row for each pair, as :func:`node_jackknife` takes them, and a column for each
            question, as an epoch.

    Returns:
        One row for each column: value, low, high.
    """
    left_out = _left_out(values)
    deviation = _deviation(left_out)
    varying = (left_out - left_out.mean(0))[:, deviation > 0]
    critical = _largest_t(varying) if varying.shape[1] else 0.0
    mean = values.mean().to_numpy()
    columns = {
        "value": mean,
        "low": mean - critical * deviation,
        "high": mean + critical * deviation,
    }
    return pd.DataFrame(columns, index=values.columns)


def p_above_zero(values: pd.Series) -> float:
    """One-sided p-value of the mean over pairs being at most zero, by the node jackknife."""
    left_out = _left_out(values.to_frame())[:, 0]
    deviation = float(_deviation(left_out))
    if deviation == 0:
        return 0.5 - 0.5 * float(np.sign(values.mean()))
    return float(stats.t.sf(values.mean() / deviation, len(left_out) - 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values: a hypothesis is rejected at level a where its own is at most a.

    Source: Holm 1979.
    """
    ordered = sorted(p_values, key=lambda name: p_values[name])
    adjusted, largest = {}, 0.0
    for position, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - position) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def _deviation(left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """The jackknife's standard error of each column of :func:`_left_out`."""
    count = len(left_out)
    return np.sqrt((count - 1) / count * ((left_out - left_out.mean(0)) ** 2).sum(0))


def _left_out(values: pd.DataFrame) -> NDArray[np.float64]:
    """Means (K, columns) over the pairs that are left when one data set is deleted.

    A pair that has no number in a column does not count there.
    """
    roles = [values.index.get_level_values(role).astype(str) for role in SETS]
    sets = sorted({*roles[0], *roles[1]})
    if len(sets) < 3:
        raise ValueError(f"there are pairs of {len(sets)} data sets, but deleting one needs 3.")
    numbers, means = values.to_numpy(dtype=float), []
    for name in sets:
        kept = numbers[(roles[0] != name) & (roles[1] != name)]
        if np.isnan(kept).all(0).any():
            raise ValueError(
                f"{name} is part of every pair, so that deleting it leaves none; add pairs without."
            )
        means.append(np.nanmean(kept, axis=0))
    return np.array(means)


def _largest_t(centred: NDArray[np.float64]) -> float:
    """95 % quantile of the largest |t| with the correlations of the columns of (K, columns)."""
    freedom = len(centred) - 1
    if centred.shape[1] == 1:
        return float(stats.t.ppf(0.975, freedom))
    generator = np.random.default_rng(0)
    scaled = centred / np.linalg.norm(centred, axis=0)
    normal = generator.standard_normal((_DRAWS, len(centred))) @ scaled
    chi = np.sqrt(generator.chisquare(freedom, _DRAWS) / freedom)
    return float(np.quantile(np.abs(normal).max(1) / chi, 0.95))
