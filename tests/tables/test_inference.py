"""Intervals over pairs against simulation and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow_book.tables.inference import (
    difference_over_sets,
    holm,
    mean_over_sets,
    node_jackknife,
    p_above_zero,
    simultaneous_band,
)

GREY, COLOUR = "abcde", "vwxyz"
PAIRS = pd.MultiIndex.from_tuples(
    [pair for family in (GREY, COLOUR) for pair in itertools.permutations(family, 2)],
    names=["id_dataset", "ood"],
)


def simulated(generator: np.random.Generator, columns: int = 1, roles: float = 0.0) -> pd.DataFrame:
    """Numbers of mean zero that depend on both sets of a pair, which may share an effect."""
    effects = {name: generator.standard_normal((2, columns)) for name in GREY + COLOUR}
    shared = {name: generator.standard_normal(columns) for name in GREY + COLOUR}
    rows = [
        effects[i][0]
        + effects[o][1]
        + roles * (shared[i] - shared[o])
        + 0.5 * generator.standard_normal(columns)
        for i, o in PAIRS
    ]
    return pd.DataFrame(np.array(rows), index=PAIRS)


@pytest.mark.parametrize("roles", [0.0, 1.0])
def test_node_jackknife_covers(roles: float) -> None:
    generator = np.random.default_rng(1)
    found = [node_jackknife(simulated(generator, roles=roles)[0]) for _ in range(300)]
    assert np.mean([low <= 0 <= high for _, low, high in found]) == pytest.approx(0.95, abs=0.035)


def test_resampling_one_role_alone_does_not() -> None:
    """Why the other role has to be deleted too: an interval over ID sets is too narrow."""
    generator, covered = np.random.default_rng(2), []
    for _ in range(300):
        means = simulated(generator)[0].groupby("id_dataset").mean()
        half = stats.t.ppf(0.975, len(means) - 1) * means.std() / len(means) ** 0.5
        covered.append(abs(means.mean()) <= half)
    assert np.mean(covered) < 0.9


def test_a_band_covers_all_its_columns_at_once() -> None:
    generator = np.random.default_rng(3)
    bands = [simultaneous_band(simulated(generator, columns=6)) for _ in range(200)]
    whole = [((band["low"] <= 0) & (band["high"] >= 0)).all() for band in bands]
    assert np.mean(whole) == pytest.approx(0.95, abs=0.05)
    single = [node_jackknife(pd.Series(range(20), index=PAIRS[:20]))]
    assert single[0].low < single[0].value < single[0].high


def test_columns_that_are_one_need_no_wider_band() -> None:
    values = simulated(np.random.default_rng(4))
    alone = simultaneous_band(values).iloc[0]
    copies = simultaneous_band(pd.concat([values[0]] * 3, axis=1, keys=list("xyz")))
    for _, row in copies.iterrows():
        np.testing.assert_allclose(row, alone, atol=0.02)


def test_deleting_one_set_by_hand() -> None:
    values = simulated(np.random.default_rng(5))[0]
    left = np.array(
        [
            np.mean([value for pair, value in values.items() if name not in pair])  # type: ignore[operator]
            for name in GREY + COLOUR
        ]
    )
    error = np.sqrt(9 / 10 * ((left - left.mean()) ** 2).sum())
    found = node_jackknife(values)
    reach = stats.t.ppf(0.975, 9) * error
    np.testing.assert_allclose(found, (values.mean(), values.mean() - reach, values.mean() + reach))
    assert p_above_zero(values) == pytest.approx(stats.t.sf(values.mean() / error, 9))


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    """Adjusted by definition: the largest Bonferroni p-value of any set that holds it."""
    p = {"a": 0.011, "b": 0.02, "c": 0.04, "d": 0.013, "e": 0.9}
    found = holm(p)
    for name in p:
        families = (
            members
            for size in range(1, len(p) + 1)
            for members in itertools.combinations(p, size)
            if name in members
        )
        expected = max(min(1.0, len(f) * min(p[member] for member in f)) for f in families)
        assert found[name] == pytest.approx(expected)
    assert list(found) == list(p)


def test_models_are_averaged_before_the_sets() -> None:
    """A pair that two models have counts once; where nothing can be deleted nothing is known."""
    one = simulated(np.random.default_rng(6))[0]
    both = pd.concat({"glow": one + 0.1, "dense_glow": one - 0.1}, names=["model"])
    found = mean_over_sets(both.drop(("dense_glow", "v", "w")))
    expected = one.copy()
    expected["v", "w"] += 0.1
    np.testing.assert_allclose(found[:3], node_jackknife(expected))
    assert (found.pairs, found.id_sets) == (40, 10)
    star = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")], names=["id_dataset", "ood"])
    value, low, high, *_ = mean_over_sets(pd.Series([0.1, 0.2], index=star))
    assert (value, low, high) == (pytest.approx(0.15), -np.inf, np.inf)


def test_what_cannot_be_deleted_is_named() -> None:
    star = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")], names=["id_dataset", "ood"])
    with pytest.raises(ValueError, match="a is part of every pair"):
        node_jackknife(pd.Series([0.1, 0.2], index=star))
    with pytest.raises(ValueError, match="pairs of 2 data sets"):
        node_jackknife(pd.Series([0.1], index=star[:1]))


def test_a_difference_between_kinds_of_pairs_covers() -> None:
    """The pairs of both kinds share data sets, which the interval has to know."""
    generator, covered = np.random.default_rng(6), []
    for _ in range(300):
        values = simulated(generator, roles=1.0)[0]
        first = values.index.get_level_values("ood").isin(list("abcvw"))
        _, low, high, *_ = difference_over_sets(values[first], values[~first])
        covered.append(low <= 0 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)


def test_a_difference_by_hand_and_of_nothing() -> None:
    values = simulated(np.random.default_rng(7))[0]
    first, second = values[::2], values[1::2]
    left = []
    for name in GREY + COLOUR:
        parts = [
            np.mean([v for pair, v in part.items() if name not in pair])  # type: ignore[operator]
            for part in (first, second)
        ]
        left.append(parts[0] - parts[1])
    error = np.sqrt((len(left) - 1) * np.var(left))
    found = difference_over_sets(first, second)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, len(left) - 1) * error)
    nothing = difference_over_sets(first, second[:0])
    assert (nothing.low, nothing.id_sets) == (-np.inf, 0)
