"""Summaries over pairs, paired differences, claims, and the one-dimensional demonstration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from earlyglow.experiments import claims, collected, neyman_pearson
from earlyglow.experiments.paired import auroc_change
from earlyglow.experiments.references import released_aurocs
from earlyglow.metrics import auroc_interval


def aurocs(values: dict[tuple[str, str, int, float], float]) -> pd.DataFrame:
    """Rows of (ID set, OOD set, seed, epoch) → AUROC, as published_rows gives them."""
    rows = [
        {"id_dataset": own, "ood": ood, "model": "glow", "seed": seed, "epoch": epoch, "auroc": a}
        for (own, ood, seed, epoch), a in values.items()
    ]
    return pd.DataFrame(rows)


def test_change_is_the_difference_of_two_aurocs() -> None:
    random = np.random.default_rng(0)
    own, ood = random.normal(size=200), random.normal(0.8, size=150)
    own_after, ood_after = own + random.normal(size=200), ood + random.normal(size=150)
    labels = np.repeat([0, 1], [200, 150])
    before = roc_auc_score(labels, np.concatenate((own, ood)))
    after = roc_auc_score(labels, np.concatenate((own_after, ood_after)))
    found = auroc_change(own, ood, own_after, ood_after)
    assert found.value == pytest.approx(after - before, abs=1e-12)
    draws = []
    for _ in range(400):
        i, j = random.integers(200, size=200), random.integers(150, size=150)
        resampled = [
            roc_auc_score(labels, np.concatenate((a[i], b[j])))
            for a, b in ((own, ood), (own_after, ood_after))
        ]
        draws.append(resampled[1] - resampled[0])
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_the_same_scores_change_nothing() -> None:
    own, ood = np.arange(5.0), np.arange(3.0) + 1
    assert auroc_change(own, ood, 2 * own, 2 * ood) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="score the same images"):
        auroc_change(own, ood, own[:4], ood)


def test_the_change_of_perfect_scores_has_a_width() -> None:
    """By the exact bound of one perfect AUROC, in both directions."""
    own, ood = np.arange(50.0), np.arange(60.0, 100.0)
    shortfall = 1 - auroc_interval(own, ood).low
    assert shortfall > 0.05
    change = auroc_change(own, ood, own**2, ood**2)
    assert change == pytest.approx((0.0, -shortfall, shortfall))
    assert auroc_change(-own, -ood, own, ood) == pytest.approx((1.0, 1 - shortfall, 1.0))


def pairs_of(values: dict[tuple[str, str, str], float]) -> pd.Series:
    series = pd.Series(values)
    series.index.names = collected.PAIR
    return series


def test_mean_over_pairs_of_equal_id_sets_is_students() -> None:
    """With as many pairs in each ID set, the interval is that of the t test on the sets' means."""
    random = np.random.default_rng(0)
    numbers = {(f"set{i}", f"ood{j}", "glow"): random.random() for i in range(8) for j in range(4)}
    mean = collected.mean_over_pairs(pairs_of(numbers))
    by_set = np.array(list(numbers.values())).reshape(8, 4).mean(1)
    low, high = stats.ttest_1samp(by_set, 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == (pytest.approx(low), pytest.approx(high))
    assert (mean.value, mean.pairs, mean.id_sets) == (pytest.approx(by_set.mean()), 32, 8)


def test_difference_within_id_sets_is_the_paired_t_test() -> None:
    random = np.random.default_rng(0)
    first, second = (
        pairs_of(
            {(f"set{i}", f"{k}{j}", "glow"): random.random() for i in range(7) for j in range(3)}
        )
        for k in "ab"
    )
    found = collected.difference_over_pairs(first, second)
    by_set = [part.to_numpy().reshape(7, 3).mean(1) for part in (first, second)]
    low, high = stats.ttest_rel(*by_set).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.value == pytest.approx(np.mean(by_set[0] - by_set[1]))
    assert collected.difference_over_pairs(first, second[:0]).pairs == 0
    # One ID set on one side says nothing of how such sets differ.
    one_sided = collected.difference_over_pairs(first, second[:3])
    assert (one_sided.low, one_sided.id_sets) == (-np.inf, 1)


def test_both_models_of_an_id_set_are_one_cluster() -> None:
    numbers = {(f"set{i}", "ood", m): float(i) for i in range(6) for m in ("glow", "dense_glow")}
    mean = collected.mean_over_pairs(pairs_of(numbers))
    low, high = stats.ttest_1samp(np.arange(6.0), 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == (pytest.approx(low), pytest.approx(high))


def test_too_few_id_sets_decide_nothing() -> None:
    one = collected.mean_over_pairs(pairs_of({("a", "b", "glow"): 0.3, ("a", "c", "glow"): 0.4}))
    assert str(one) == "0.350"
    assert claims._greater(one) == "not decided (1 ID set)"
    none = collected.mean_over_pairs(pairs_of({("a", "b", "glow"): np.nan}))
    assert (none.pairs, claims._not_worse(none)) == (0, "not decided (0 ID sets)")


def test_seeds_are_averaged_before_pairs() -> None:
    rows = aurocs({("a", "b", 0, 1.0): 0.2, ("a", "b", 1, 1.0): 0.4, ("a", "c", 0, 1.0): 0.9})
    means = collected.means_over_pairs(rows, ["epoch"])
    assert means["mean"].tolist() == [pytest.approx(0.6)]
    assert means["pairs"].tolist() == [2]


def test_intervals_of_aurocs_end_at_one() -> None:
    rows = aurocs({("a", "x", 0, 1.0): 1.0, ("b", "x", 0, 1.0): 0.8, ("c", "x", 0, 1.0): 1.0})
    (mean,) = collected.means_over_pairs(rows, ["epoch"]).itertuples()
    assert 0 < mean.low < mean.mean < mean.high == 1
    changes = rows.assign(change=rows["auroc"])
    assert collected.means_over_pairs(changes, ["epoch"], "change")["high"].item() > 1


def test_matrix_has_id_sets_down() -> None:
    rows = aurocs(
        {
            ("kmnist", "mnist", 0, 1.0): 0.2,
            ("mnist", "kmnist", 0, 1.0): 0.7,
            ("mnist", "kmnist", 1, 1.0): 0.5,
            ("mnist", "omniglot", 0, 1.0): 0.6,
        }
    )
    table = collected.matrix(rows)
    assert table.index.tolist() == ["mnist", "kmnist"]
    assert table.columns.tolist() == ["mnist", "kmnist", "omniglot"]
    assert table.loc["mnist", "kmnist"] == pytest.approx(0.6)
    assert np.isnan(table.loc["mnist", "mnist"])


def test_correlation_within_is_spearmans() -> None:
    random = np.random.default_rng(1)
    values = {("a", "b", 0, float(e)): random.random() for e in range(1, 8)}
    rows = aurocs(values).assign(other=random.random(7))
    found = collected.correlation_within(rows, "auroc", "other")
    expected = stats.spearmanr(rows["auroc"], rows["other"]).statistic
    assert found.tolist() == [pytest.approx(expected)]
    assert found.index.names == [*collected.PAIR, "seed"]
    assert collected.correlation_within(rows.assign(other=1.0), "auroc", "other").empty


def test_every_half_of_the_id_sets_chooses_for_the_other() -> None:
    """mnist and kmnist are best at epoch 1, fashion_mnist and omniglot at epoch 2.

    Two of each kind choose epoch 2, by .65 against .55; only the two of one kind choose theirs.
    """
    first, second = {1.0: 0.9, 2.0: 0.5, 3.0: 0.6}, {1.0: 0.2, 2.0: 0.8, 3.0: 0.75}
    sets = {"mnist": first, "fashion_mnist": second, "kmnist": first, "omniglot": second}
    rows = aurocs({(n, "x", 0, epoch): a for n, of in sets.items() for epoch, a in of.items()})
    of_first, of_second = 0.5 - 0.6, ((0.2 - 0.75) + 2 * (0.8 - 0.75)) / 3
    found = claims.stopping_early(rows)
    assert found.value == pytest.approx((of_first + of_second) / 2)
    assert (found.pairs, found.id_sets) == (4, 4)
    low, high = claims.spread_of_stopping_early(rows)
    assert low == pytest.approx(0.2 - 0.75)
    assert high == pytest.approx(((0.5 - 0.6) + (0.8 - 0.75)) / 2)


def test_pairs_count_equally_however_many_an_id_set_has() -> None:
    values = {("mnist", ood, 0, e): a for ood in "abc" for e, a in ((1.0, 0.9), (2.0, 0.6))}
    values |= {(name, "a", 0, e): 0.5 for name in ("kmnist", "omniglot") for e in (1.0, 2.0)}
    values |= {("cifar10", "a", 0, e): 0.5 for e in (1.0, 2.0)}
    assert claims.stopping_early(aurocs(values)).value == pytest.approx(3 * 0.3 / 6)


def test_own_epoch_is_chosen_on_one_seed_and_judged_on_the_others() -> None:
    """Seed 0 chooses epoch 1 and seed 1 chooses epoch 2, for both OOD sets of mnist together."""
    values = {
        0: {"a": {1.0: 0.9, 2.0: 0.5, 3.0: 0.6}, "b": {1.0: 0.5, 2.0: 0.6, 3.0: 0.6}},
        1: {"a": {1.0: 0.3, 2.0: 0.8, 3.0: 0.7}, "b": {1.0: 0.4, 2.0: 0.4, 3.0: 0.9}},
    }
    rows = aurocs(
        {
            ("mnist", ood, seed, epoch): auroc
            for seed, by_ood in values.items()
            for ood, by_epoch in by_ood.items()
            for epoch, auroc in by_epoch.items()
        }
    )
    gains = claims.gain_of_own_epoch(rows)
    assert gains["mnist", "a", "glow"] == pytest.approx(((0.3 - 0.7) + (0.5 - 0.6)) / 2)
    assert gains["mnist", "b", "glow"] == pytest.approx(((0.4 - 0.9) + (0.6 - 0.6)) / 2)
    assert claims.gain_of_own_epoch(rows[rows["seed"] == 0]).empty


def test_interval_of_stopping_early_covers_what_it_should() -> None:
    """Nothing but noise over epochs that all pairs of an ID set share: there is no gain."""
    random = np.random.default_rng(0)
    names = ("mnist", "kmnist", "omniglot", "fashion_mnist", "cifar10", "gtsrb", "celeba")
    found = []
    for _ in range(30):
        values = {
            (name, f"ood{j}", 0, float(epoch)): 0.7 + shared + 0.02 * random.normal()
            for name in names
            for epoch in range(1, 10)
            for shared in [0.1 * random.normal()]
            for j in range(4)
        }
        found.append(claims.stopping_early(aurocs(values)))
    means = np.array([mean.value for mean in found])
    assert abs(means.mean()) < 3 * means.std() / np.sqrt(len(means))
    assert np.mean([mean.low <= 0 <= mean.high for mean in found]) >= 0.8


def test_jackknife_of_a_mean_is_students() -> None:
    random = np.random.default_rng(2)
    by_set = random.random(6)
    rows = aurocs({(f"set{i}", o, 0, 1.0): a for i, a in enumerate(by_set) for o in "ab"})
    found = collected.jackknife(rows, lambda part: float(part["auroc"].mean()))
    low, high = stats.ttest_1samp(by_set, 0).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.value, found.pairs, found.id_sets) == (pytest.approx(by_set.mean()), 12, 6)
    assert collected.jackknife(rows[rows["id_dataset"] < "set2"], len).low == -np.inf


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
    assert claims._not_worse(collected.Mean(sum(ends) / 2, *ends, 20, 5)) == verdict


def test_released_table_has_the_means_that_its_source_gives() -> None:
    means = released_aurocs().groupby(["group_size", "epoch"])["auroc"].agg(["mean", "count"])
    assert means["count"].tolist() == [20] * 4
    assert means["mean"].round(3).tolist() == [0.772, 0.818, 0.943, 0.970]


@pytest.mark.parametrize("mean", [0.0, -0.7, 1.5])
def test_auroc_of_a_density_by_simulation(mean: float) -> None:
    random = np.random.default_rng(0)
    own, ood = random.normal(size=20_000), random.normal(0.5, 0.4, size=20_000)
    scores = np.concatenate(((own - mean) ** 2, (ood - mean) ** 2))
    expected = roc_auc_score(np.repeat([0, 1], 20_000), scores)
    assert neyman_pearson.auroc_of_density(mean, 0.5, 0.4) == pytest.approx(expected, abs=0.01)


def test_likelihood_ratio_is_best_and_exact_where_it_is_monotone() -> None:
    best = neyman_pearson.auroc_of_likelihood_ratio(0.5, 0.5)
    means = np.linspace(-5, 5, 41)
    assert best > max(neyman_pearson.auroc_of_density(m, 0.5, 0.5) for m in means)
    # With equal deviations the ratio is monotone in x: the AUROC is that of x itself.
    # Far away, wide or narrow: no density detects better than the ratio.
    for mean, deviation in ((0.0, 10.0), (0.0, 5.0), (0.0, 1e-3), (30.0, 1.0), (3.0, 0.1)):
        ratio = neyman_pearson.auroc_of_likelihood_ratio(mean, deviation)
        densities = (neyman_pearson.auroc_of_density(m, mean, deviation) for m in means)
        assert 1 + 1e-9 > ratio > max(densities) - 1e-6
    # N(0, s²) against N(0, 1): the larger |x| wins, by the chance that a ratio has.
    wide = neyman_pearson.auroc_of_likelihood_ratio(0.0, 10.0)
    assert wide == pytest.approx(2 / np.pi * np.arctan(10), abs=1e-4)
    shifted = neyman_pearson.auroc_of_likelihood_ratio(1.0, 1.0)
    assert shifted == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=1e-4)


def test_the_true_density_is_beaten_by_a_wrong_one() -> None:
    assert neyman_pearson.auroc_of_density(0.0, 0.5, 0.5) < 0.5
    assert neyman_pearson.auroc_of_density(-1.0, 0.5, 0.5) > 0.6
    with pytest.raises(ValueError, match="ood_deviation is 0"):
        neyman_pearson.auroc_of_density(0.0, 0.5, 0.0)
