"""The plan's statistics against hand-made AUROCs, and its rule against every outcome."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow_book.tables.claims import Verdict
from earlyglow_book.tables.hypotheses import (
    beside,
    judged,
    over_models,
    pair_aurocs,
    statistics,
    without_idea_sets,
)

SETS = "abcdef"
DETECTORS = ("layer_gradients", "neighbours", "residual", "placebo", "no_flow")


def readings(
    means: dict[str, tuple[float, float]], seeds: int = 3, noise: float = 0.01
) -> pd.DataFrame:
    """AUROCs of six ID sets whose early and late means are given by detector."""
    generator = np.random.default_rng(0)
    rows = [
        {
            "id_dataset": own,
            "ood": ood,
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "group_size": 1,
            "objective": "" if detector == "no_flow" else "log_prob",
            "detector": detector,
            "auroc": means[detector][when] + noise * generator.standard_normal(),
        }
        for own, ood in itertools.permutations(SETS, 2)
        for model in ("glow", "dense_glow")
        for seed in range(seeds)
        for when, epoch in enumerate((10, 200))
        for detector in DETECTORS
    ]
    return pd.DataFrame(rows)


FALLING = {
    "layer_gradients": (0.8, 0.7),
    "neighbours": (0.85, 0.86),
    "residual": (0.83, 0.84),
    "placebo": (0.8, 0.7),
    "no_flow": (0.9, 0.9),
}


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    flows = pd.MultiIndex.from_frame(table[["id_dataset", "model", "seed"]].drop_duplicates())
    return statistics(pair_aurocs(table, 10, pd.Series(200, flows)))


def test_statistics_of_known_aurocs() -> None:
    found = over_models(numbers(readings(FALLING, noise=0))).mean()
    d = {a: np.sqrt(2) * stats.norm.ppf(a) for a in (0.7, 0.8, 0.85, 0.86)}
    expected = {
        "H1": 0.16,
        "H2a": 0.11,
        "H2a d'": (d[0.86] - d[0.85]) - (d[0.7] - d[0.8]),
        "H2b": 0.03,
        "H3": 0.84 - 0.78,
        "H3 placebo": 0.7 - 0.78,
        "H4 early": -0.05,
        "H4 late": -0.04,
    }
    assert found.to_dict() == pytest.approx(expected)


def test_each_side_of_the_rule() -> None:
    outcomes = judged(numbers(readings(FALLING))).set_index("id")["judgement"]
    assert [outcomes[name].verdict for name in ("H1", "H2a", "H2b", "H3")] == [Verdict.HOLDS] * 4
    assert outcomes["H4 late"].verdict == Verdict.FAILS
    undecided = judged(numbers(readings(FALLING, noise=3))).set_index("id")["judgement"]
    assert undecided["H1"].verdict == Verdict.OPEN


def test_one_seed_decides_nothing_and_says_what_it_would() -> None:
    outcome = judged(numbers(readings(FALLING, seeds=1))).set_index("id").loc["H1", "judgement"]
    assert outcome.verdict == Verdict.OPEN
    assert "one seed alone: holds" in str(outcome)


def test_an_interaction_that_d_prime_does_not_show_fails() -> None:
    """Near the ceiling the same change of AUROC is a larger one of d'."""
    means = FALLING | {"neighbours": (0.999, 0.95), "layer_gradients": (0.7, 0.6)}
    outcome = judged(numbers(readings(means, noise=0.0003))).set_index("id").loc["H2a"]
    assert outcome["low"] > 0
    assert outcome["judgement"].verdict == Verdict.FAILS


def test_p_values_are_two_sided_and_corrected() -> None:
    """Against a jackknife written out: the smallest of six p-values is multiplied by six."""
    values = numbers(readings(FALLING, noise=0.3))
    pairs = over_models(values)
    alone = {}
    for hypothesis in ("H1", "H2a", "H2b", "H3", "H4 early", "H4 late"):
        of_pairs = pairs[hypothesis]
        own, ood = (of_pairs.index.get_level_values(i) for i in (0, 1))
        left = np.array([of_pairs[(own != name) & (ood != name)].mean() for name in SETS])
        deviation = np.sqrt(5 / 6 * ((left - left.mean()) ** 2).sum())
        alone[hypothesis] = 2 * stats.t.sf(of_pairs.mean() / deviation, 5)
    found = judged(values).set_index("id")["p"]
    smallest = min(alone, key=lambda name: alone[name])
    assert found[smallest] == pytest.approx(min(1, 6 * alone[smallest]))


def test_models_count_alike_whatever_their_seeds() -> None:
    table = readings(FALLING, noise=0)
    extra = table[(table["model"] == "glow") & (table["seed"] == 0)]
    more = pd.concat([table, *(extra.assign(seed=s, auroc=extra["auroc"] / 2) for s in (3, 4, 5))])
    glow = more[more["model"] == "glow"]
    expected = (
        glow.groupby(["id_dataset", "ood", "epoch", "detector"])["auroc"].mean().mean()
        + table[table["model"] == "dense_glow"]["auroc"].mean()
    ) / 2
    flows = pd.MultiIndex.from_frame(more[["id_dataset", "model", "seed"]].drop_duplicates())
    aurocs = pair_aurocs(more, 10, pd.Series(200, flows))
    assert over_models(aurocs).to_numpy().mean() == pytest.approx(expected)


def test_sets_that_gave_the_idea_do_not_test_it() -> None:
    table = numbers(readings(FALLING).replace({"id_dataset": {"a": "cifar10"}}))
    assert "cifar10" in table.index.get_level_values("id_dataset")
    assert "cifar10" not in without_idea_sets(table).index.get_level_values("id_dataset")


def test_parts_beside() -> None:
    table = numbers(readings(FALLING))
    parts = dict(beside(table, dict(zip(SETS, ["grey"] * 3 + ["colour"] * 3, strict=True))))
    assert len(parts["grey sets"]) == len(table) / 2
    assert len(parts["without a"]) == len(table) * 20 / 30
    assert set(parts) == {"grey sets", "colour sets", "glow", "dense_glow"} | {
        f"without {name}" for name in SETS
    }
