"""Means over pairs of sets, and their intervals, against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow_book.tables import pairs
from earlyglow_book.tables.claims import greater, no_worse
from earlyglow_book.tables.columns import PAIR


def aurocs(values: dict[tuple[str, str, int, float], float]) -> pd.DataFrame:
    """Rows of (ID set, OOD set, seed, epoch) → AUROC, as read_published_rows gives them."""
    rows = [
        {"id_dataset": own, "ood": ood, "model": "glow", "seed": seed, "epoch": epoch, "auroc": a}
        for (own, ood, seed, epoch), a in values.items()
    ]
    return pd.DataFrame(rows)


def pairs_of(values: dict[tuple[str, str, str], float]) -> pd.Series:
    series = pd.Series(values)
    series.index.names = PAIR
    return series


def test_mean_over_pairs_of_equal_id_sets_is_students() -> None:
    """With as many pairs in each ID set, the interval is that of the t test on the sets' means."""
    random = np.random.default_rng(0)
    numbers = {(f"set{i}", f"ood{j}", "glow"): random.random() for i in range(8) for j in range(4)}
    mean = pairs.mean_over_pairs(pairs_of(numbers))
    by_set = np.array(list(numbers.values())).reshape(8, 4).mean(1)
    low, high = stats.ttest_1samp(by_set, 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == (pytest.approx(low), pytest.approx(high))
    assert (mean.value, mean.pairs, mean.id_sets) == (pytest.approx(by_set.mean()), 32, 8)


def test_both_models_of_an_id_set_are_one_cluster() -> None:
    numbers = {(f"set{i}", "ood", m): float(i) for i in range(6) for m in ("glow", "dense_glow")}
    mean = pairs.mean_over_pairs(pairs_of(numbers))
    low, high = stats.ttest_1samp(np.arange(6.0), 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == (pytest.approx(low), pytest.approx(high))


def test_too_few_id_sets_decide_nothing() -> None:
    one = pairs.mean_over_pairs(pairs_of({("a", "b", "glow"): 0.3, ("a", "c", "glow"): 0.4}))
    assert str(one) == "0.350"
    assert str(greater(one)) == "not decided (1 ID set)"
    none = pairs.mean_over_pairs(pairs_of({("a", "b", "glow"): np.nan}))
    assert (none.pairs, str(no_worse(none))) == (0, "not decided (0 ID sets)")


def test_seeds_are_averaged_before_pairs() -> None:
    rows = aurocs({("a", "b", 0, 1.0): 0.2, ("a", "b", 1, 1.0): 0.4, ("a", "c", 0, 1.0): 0.9})
    means = pairs.means_over_pairs(rows, ["epoch"])
    assert means["mean"].tolist() == [pytest.approx(0.6)]
    assert means["pairs"].tolist() == [2]


def test_intervals_of_aurocs_end_at_one() -> None:
    rows = aurocs({("a", "x", 0, 1.0): 1.0, ("b", "x", 0, 1.0): 0.8, ("c", "x", 0, 1.0): 1.0})
    (mean,) = pairs.means_over_pairs(rows, ["epoch"]).itertuples()
    assert 0 < mean.low < mean.mean < mean.high == 1
    changes = rows.assign(change=rows["auroc"])
    assert pairs.means_over_pairs(changes, ["epoch"], "change")["high"].item() > 1


def test_matrix_has_id_sets_down() -> None:
    rows = aurocs(
        {
            ("kmnist", "mnist", 0, 1.0): 0.2,
            ("mnist", "kmnist", 0, 1.0): 0.7,
            ("mnist", "kmnist", 1, 1.0): 0.5,
            ("mnist", "omniglot", 0, 1.0): 0.6,
        }
    )
    table = pairs.matrix(rows)
    assert table.index.tolist() == ["mnist", "kmnist"]
    assert table.columns.tolist() == ["mnist", "kmnist", "omniglot"]
    assert table.loc["mnist", "kmnist"] == pytest.approx(0.6)
    assert np.isnan(table.loc["mnist", "mnist"])


def test_correlation_within_is_spearmans() -> None:
    random = np.random.default_rng(1)
    values = {("a", "b", 0, float(e)): random.random() for e in range(1, 8)}
    rows = aurocs(values).assign(other=random.random(7))
    found = pairs.correlation_within(rows, "auroc", "other")
    expected = stats.spearmanr(rows["auroc"], rows["other"]).statistic
    assert found.tolist() == [pytest.approx(expected)]
    assert found.index.names == [*PAIR, "seed"]
    assert pairs.correlation_within(rows.assign(other=1.0), "auroc", "other").empty


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((0.01, 0.05), "holds: better"),
        ((-0.01, 0.05), "holds: as good"),
        ((-0.05, 0.05), "not decided"),
        ((-0.05, -0.03), "does not hold"),
    ],
)
def test_verdict_follows_from_the_interval(ends: tuple[float, float], verdict: str) -> None:
    assert str(no_worse(pairs.Mean(sum(ends) / 2, *ends, 20, 5))) == verdict
