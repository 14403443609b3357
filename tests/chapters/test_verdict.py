"""Verdicts on known tables, and the numbers that the page quotes."""

from __future__ import annotations

import html
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow_book.chapters.released_code import released_aurocs
from earlyglow_book.chapters.verdict.evidence import (
    Evidence,
    gain_over_no_flow,
    read_evidence,
)
from earlyglow_book.chapters.verdict.kmnist_cases import kmnist_cases
from earlyglow_book.chapters.verdict.long_trainings import long_claims
from earlyglow_book.chapters.verdict.plan import criterion_claim
from earlyglow_book.chapters.verdict.primary import primary_claims
from earlyglow_book.chapters.verdict.rules import claims_by_topic, judged_claims
from earlyglow_book.chapters.verdict.short_trainings import own_epoch
from earlyglow_book.chapters.verdict.stopping import stopping_claims
from earlyglow_book.chapters.verdict.words import (
    _bits,
    _gains_by_model,
    _gains_over_typicality,
    _over_epochs,
    seeds_and_images,
    words,
)
from earlyglow_book.page import claim_cards, claims_under_topics, folded_claims
from earlyglow_book.tables.claims import Claim, Judgement, Verdict, of_seeds
from earlyglow_book.tables.texts import typeset
from tests.chapters.rows import published

ID_SETS = ("mnist", "fashion_mnist", "kmnist", "omniglot", "cifar10", "gtsrb", "celeba")
OOD = ("simple", "also_simple", "complex", "kmnist")
# What the control without a flow reaches.
CONTROL = 0.65
EPOCHS = (0.0, 0.1, 1.0, 5.0, 20.0)
# AUROC by detector, group size, epoch, OOD set, and a number that differs from ID set to ID set.
Auroc = Callable[[str, int, float, str, float], float]


def sweep(auroc: Auroc, id_sets: tuple[str, ...] = ID_SETS) -> pd.DataFrame:
    rows = [
        {
            "id_dataset": own,
            "model": "glow",
            "seed": seed,
            "epoch": epoch,
            "group_size": size,
            "detector": detector,
            "objective": objective,
            "ood": ood,
            "auroc": auroc(detector, size, epoch, ood, (i % 3 - 1) * 0.004)
            + (0.002 if epoch == EPOCHS[1 + i % 3] else 0.0)
            + 0.0005 * (seed + i * OOD.index(ood)),
        }
        for i, own in enumerate(id_sets)
        for seed in (0, 1, 2)
        for epoch in EPOCHS
        for size in (1, 5)
        for detector, objective in (
            ("layer_gradients", "log_prob"),
            ("layer_gradients", "sum_z"),
            ("likelihood", ""),
        )
        for ood in OOD
        if ood != own
    ]
    table = pd.DataFrame(rows)
    return table.assign(low=table["auroc"] - 0.02, high=table["auroc"] + 0.02)


def complexity() -> pd.DataFrame:
    bits = dict.fromkeys(ID_SETS, 3.0) | {"simple": 1.0, "also_simple": 1.5, "complex": 5.0}
    return pd.DataFrame({"dataset": list(bits), "png_bits": list(bits.values())})


def overlap(at: Callable[[float], float], auroc: Callable[[float], float]) -> pd.DataFrame:
    """Overlap and AUROC as functions of the epoch, with one exception that makes ID sets differ."""
    return pd.DataFrame(
        [
            {
                "id_dataset": own,
                "model": "glow",
                "seed": 0,
                "ood": ood,
                "detector": "likelihood",
                "epoch": epoch,
                "kde": at(epoch + 15 * (i == 0 and epoch == 1)),
                "kde_released": at(epoch + 15 * (i == 0 and epoch == 1)),
                "auroc": auroc(epoch),
            }
            for i, own in enumerate(ID_SETS)
            for ood in OOD
            for epoch in (1.0, 5.0, 10.0, 20.0)
        ]
    )


def augmented(after: float, id_sets: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "id_dataset": own,
                "model": "glow",
                "seed": 0,
                "ood": "simple",
                "epoch": 5.0,
                "group_size": 1,
                "variant": variant,
                "auroc": auroc,
            }
            for own in id_sets
            for variant, auroc in (("real images", 0.5), ("synthetic", after))
        ]
    )


def evidence(tables: dict[str, pd.DataFrame]) -> Evidence:
    """What would be read if these tables were published."""
    rows = tables["epoch_sweep"]

    def of(detector: str, objective: str, size: int) -> pd.DataFrame:
        is_wanted = (rows["detector"] == detector) & (rows["objective"] == objective)
        return rows[is_wanted & (rows["group_size"] == size)]

    full = tables.get("full_size", rows[:0])
    of_full = full[(full["detector"] == "layer_gradients") & (full["group_size"] == 1)]
    control = rows.drop_duplicates(["id_dataset", "ood"])[["id_dataset", "ood"]]
    return Evidence(
        gradients={size: of("layer_gradients", "log_prob", size) for size in (1, 5)},
        sum_z={size: of("layer_gradients", "sum_z", size) for size in (1, 5)},
        full_size={name: of_full[of_full["objective"] == name] for name in ("log_prob", "sum_z")},
        no_flow=control.assign(auroc=CONTROL),
        beside=pd.DataFrame(),
        released=released_aurocs(),
        baselines={name: of(name, "", 1) for name in ("likelihood", "typicality")},
        overlap=tables["support_overlap"],
        complexity=tables["likelihood_paradox"],
        augmentation=tables["synthetic_augmentation"],
        paper_bits=pd.DataFrame(),
        long_readings=pd.DataFrame(),
        long_fit_bits=pd.DataFrame(),
        long_overlaps=pd.DataFrame(),
        epoch_regrets=pd.DataFrame(),
        chaos=pd.DataFrame(),
    )


PRIMARY = ("first_epoch", "groups", "likelihood", "no_flow")
STOPPING = ("stopped_early", "own_epoch", "untrained", "first_epoch_full_size", "released")


def claim(name: str, tables: dict[str, pd.DataFrame]) -> Claim:
    """The claim of that id; of the others only those that are judged with it are computed."""
    judge = judged_claims
    if name in PRIMARY:
        judge = primary_claims
    elif name.startswith(STOPPING):
        judge = stopping_claims
    (found,) = [c for c in judge(evidence(tables)) if c.id == name]
    return found


def verdict_of(text: str, tables: dict[str, pd.DataFrame]) -> str:
    return str(claim(text, tables).judgement)


def flat(*_: object) -> float:
    return 0.7


def everything(auroc: Auroc) -> dict[str, pd.DataFrame]:
    return {
        "epoch_sweep": sweep(auroc),
        "likelihood_paradox": complexity(),
        "support_overlap": overlap(lambda epoch: epoch, lambda epoch: -epoch),
        "synthetic_augmentation": augmented(0.5, ID_SETS),
    }


def falling(by: float) -> Auroc:
    """The AUROC falls by so much from the early epochs to the last, more or less."""
    return lambda d, b, epoch, ood, noise: 0.7 - ((by + noise) if epoch == 20 else 0)


def unlike(d: str, b: int, epoch: float, ood: str, noise: float) -> float:
    """The last epoch is far better on some ID sets and far worse on others."""
    return 0.7 + (40 * noise if epoch == 20 else 0)


def gain(of: float, where: str = "") -> Auroc:
    """The gradient score is better than the likelihood by so much, at one OOD set or at all."""

    def auroc(d: str, b: int, epoch: float, ood: str, noise: float) -> float:
        wins = d == "layer_gradients" and where in ood
        return 0.6 + (of + noise if wins else 0.0)

    return auroc


def groups(gain: float) -> Auroc:
    return lambda d, b, epoch, ood, noise: 0.7 + (gain + noise if b == 5 else 0)


def only_groups(of: Auroc) -> Auroc:
    """The same for groups of five, while nothing changes for single images."""
    return lambda d, b, epoch, ood, noise: of(d, b, epoch, ood, noise) if b == 5 else 0.7


def untrained(gain: float) -> Auroc:
    """The untrained flow differs from all others by so much."""
    return lambda d, b, epoch, ood, noise: 0.7 + (gain + noise if epoch == 0 else 0)


def longer(change: float) -> Auroc:
    """At complex OOD sets the last epoch differs from the first by so much."""

    def auroc(d: str, b: int, epoch: float, ood: str, noise: float) -> float:
        return 0.7 + (change + noise if epoch == 20 and "simple" not in ood else 0)

    return auroc


@pytest.mark.parametrize(
    ("name", "auroc", "verdict"),
    [
        ("stopped_early_single", falling(0.05), "holds: better from epoch 0.1"),
        ("stopped_early_single", falling(0.0), "holds: as good from epoch 0.1"),
        ("stopped_early_single", falling(-0.05), "does not hold"),
        ("stopped_early_single", unlike, "not decided"),
        ("stopped_early_five", only_groups(falling(0.05)), "holds: better"),
        ("stopped_early_single", only_groups(falling(0.05)), "holds: as good"),
        ("stopped_early_five_sum_z", only_groups(falling(-0.05)), "does not hold"),
        ("stopped_early_five_d_prime", only_groups(falling(-0.1)), "does not hold"),
        ("first_epoch", falling(0.05), "holds: better"),
        ("first_epoch", falling(0.0), "holds: as good"),
        ("first_epoch", falling(-0.05), "does not hold"),
        ("first_epoch", unlike, "not decided"),
        ("untrained_single", untrained(-0.1), "does not hold"),
        ("untrained_five", untrained(0.1), "holds: better"),
        ("groups", groups(0.1), "holds"),
        ("groups", groups(-0.1), "does not hold"),
        ("likelihood", gain(0.1), "holds"),
        ("likelihood", gain(-0.1), "does not hold"),
        ("likelihood", gain(0.001), "not decided"),
        ("no_flow", gain(0.1), "holds"),
        ("no_flow", gain(0.0), "does not hold"),
        ("simple_ood", gain(0.2, "simple"), "holds"),
        ("simple_ood", lambda *at: 0.8 - gain(0.2, "simple")(*at), "does not hold"),
        ("simple_id", longer(-0.1), "holds"),
        ("simple_id", longer(0.1), "does not hold"),
        ("kmnist", lambda *_: 0.5, "holds"),
        ("kmnist", lambda *_: 0.9, "does not hold"),
        ("kmnist", lambda d, b, e, ood, n: 0.5 if ood == "kmnist" else 0.9, "does not hold"),
    ],
)
def test_verdict_from_the_sweep(name: str, auroc: Auroc, verdict: str) -> None:
    found = verdict_of(name, everything(auroc))
    assert found.startswith(verdict)
    assert ("not" in found) == ("not" in verdict)


def own_best(size: float) -> dict[str, pd.DataFrame]:
    """Each ID set is better by so much at an epoch of its own, on every seed."""
    tables = everything(flat)
    rows = tables["epoch_sweep"]
    own = rows["id_dataset"].map({name: EPOCHS[1 + i % 4] for i, name in enumerate(ID_SETS)})
    return tables | {
        "epoch_sweep": rows.assign(auroc=rows["auroc"] + size * (rows["epoch"] == own))
    }


def test_own_epochs_are_told_from_permuted_ones() -> None:
    found = claim("own_epoch_single", own_best(0.1))
    assert str(found.judgement) == "holds; no evidence for early epochs"
    generator = np.random.default_rng(0)
    tables = everything(flat)
    rows = tables["epoch_sweep"]
    noise = 0.05 * generator.standard_normal(len(rows))
    chance = tables | {"epoch_sweep": rows.assign(auroc=0.7 + noise)}
    assert claim("own_epoch_single", chance).judgement.verdict == Verdict.OPEN


def test_permutations_against_every_one_of_them() -> None:
    """Two flows and two epochs to choose: the null is the mean of two arrangements."""
    rows = published(
        {
            (own, seed, epoch, 1): auroc
            for own, values in (("a", (0.9, 0.6, 0.7)), ("b", (0.5, 0.8, 0.7)))
            for seed in (0, 1)
            for epoch, auroc in zip((1.0, 2.0, 3.0), values, strict=True)
        },
        "layer_gradients",
    )
    found = own_epoch(rows.assign(ood=rows["id_dataset"] + "x"))
    kept = ((0.9 - 0.7) + (0.8 - 0.7)) / 2
    exchanged = ((0.6 - 0.7) + (0.5 - 0.7)) / 2
    assert found.gain.value == pytest.approx(kept)
    assert found.null == pytest.approx((exchanged, kept))
    # Each seed of a flow is one of four choosers, two of which have each epoch.
    assert found.p == pytest.approx(1 / 6, abs=0.03)
    assert found.placebo[1.0] == pytest.approx(((0.7 - 0.9) + (0.8 - 0.5)) / 2)


_NULL = """
import numpy as np, pandas as pd
from earlyglow_book.chapters.verdict.short_trainings import own_epoch
drawn = np.random.default_rng(0)
rows = pd.DataFrame(
    [(m, i, i + "x", s, e, drawn.random()) for m in ("glow", "dense_glow") for i in "abcdef"
     for s in (0, 1) for e in (1.0, 2.0, 3.0)],
    columns=["model", "id_dataset", "ood", "seed", "epoch", "auroc"],
)
print(own_epoch(rows).null)
"""


def test_permutations_are_the_same_in_every_process() -> None:
    """Python orders a set of texts by a number that it draws anew for each process."""
    said = {
        subprocess.run(
            [sys.executable, "-c", _NULL],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(said) == 1


def test_the_control_has_the_same_number_for_both_models() -> None:
    tables = everything(gain(0.1))
    rows = tables["epoch_sweep"]
    both = pd.concat([rows, rows.assign(model="dense_glow", auroc=rows["auroc"] + 0.2)])
    found = (
        gain_over_no_flow(evidence(tables | {"epoch_sweep": both}), 20.0).groupby("model").mean()
    )
    assert found["dense_glow"] - found["glow"] == pytest.approx(0.2)
    assert found["glow"] == pytest.approx(0.7 - CONTROL, abs=0.01)


def test_the_correction_is_for_four_questions() -> None:
    """A gain that is just significant alone is not decided beside three others that are not."""
    sizes = np.linspace(0.0, 0.01, 21)
    seen = set()
    for size in sizes:
        found = claim("likelihood", everything(gain(float(size))))
        low = float(found.number.split("[")[1].split(",")[0])
        seen.add((low > 0, str(found.judgement)))
    assert (True, "not decided (after the correction for four questions)") in seen
    assert (True, "holds") in seen
    assert not any(low <= 0 and verdict == "holds" for low, verdict in seen)


def test_cases_of_kmnist_against_students_interval() -> None:
    values = {0: 0.50, 1: 0.55, 2: 0.60}
    rows = pd.DataFrame(
        [
            {"id_dataset": "kmnist", "ood": "mnist", "model": "glow", "seed": seed, "epoch": epoch}
            | {"auroc": auroc, "low": auroc - 0.02, "high": auroc + 0.02}
            for seed, auroc in values.items()
            for epoch in (0.0, 1.0, 5.0)
        ]
    )
    (case,) = kmnist_cases({("short", "log_prob"): rows}).itertuples()
    expected = stats.t.interval(0.95, 2, 0.55, stats.sem(list(values.values())))
    assert (case.low, case.high) == pytest.approx(expected)
    assert case.place == "open"
    (alone,) = kmnist_cases({("short", "log_prob"): rows[rows["seed"] == 1]}).itertuples()
    assert (alone.low, alone.high, alone.place) == (
        pytest.approx(0.53),
        pytest.approx(0.57),
        "inside",
    )


@pytest.mark.parametrize(
    ("seeds", "before", "after"),
    [
        (1, Verdict.HOLDS, "not decided (one seed alone: holds)"),
        (1, Verdict.FAILS, "not decided (one seed alone: does not hold)"),
        (1, Verdict.UNTESTED, "not tested here"),
        (3, Verdict.HOLDS, "holds"),
    ],
)
def test_one_seed_decides_nothing(seeds: int, before: Verdict, after: str) -> None:
    assert str(of_seeds(Judgement(before), seeds)) == after


def test_both_bandwidths_have_rows() -> None:
    tables = everything(flat)
    rows = tables["support_overlap"]
    turned = tables | {"support_overlap": rows.assign(kde_released=-rows["kde"])}
    assert verdict_of("overlap_grows_kde", turned) == "holds"
    assert verdict_of("overlap_grows_kde_released", turned) == "does not hold"


@pytest.mark.parametrize(
    ("after", "id_sets", "verdict"),
    [
        (0.55, ID_SETS, "holds"),
        (0.9, ID_SETS, "does not hold for 7 of 7 pairs"),
        (0.9, ID_SETS[:1], "does not hold for 1 of 1 pairs"),
        (0.55, ID_SETS[:1], "not decided (1 ID set)"),
    ],
)
def test_verdict_on_augmentation(after: float, id_sets: tuple[str, ...], verdict: str) -> None:
    tables = everything(lambda *_: 0.5) | {"synthetic_augmentation": augmented(after, id_sets)}
    assert verdict_of("augmentation", tables) == verdict


@pytest.mark.parametrize(
    ("at", "auroc", "grows", "hurts"),
    [
        (lambda e: e, lambda e: -e, "holds", "holds"),
        (lambda e: -e, lambda e: -e, "does not hold", "does not hold"),
        (lambda e: e, lambda e: e, "holds", "does not hold"),
    ],
)
def test_verdict_on_overlap(
    at: Callable[[float], float],
    auroc: Callable[[float], float],
    grows: str,
    hurts: str,
) -> None:
    tables = everything(flat) | {"support_overlap": overlap(at, auroc)}
    assert verdict_of("overlap_grows_kde", tables) == grows
    assert verdict_of("overlap_hurts_kde", tables) == hurts


def test_too_few_id_sets_decide_nothing() -> None:
    few = ID_SETS[:4]
    tables = everything(flat) | {"epoch_sweep": sweep(falling(0.05), few)}
    for name in ("first_epoch", "untrained_five", "likelihood", "no_flow"):
        assert verdict_of(name, tables) == "not decided (4 ID sets)"


def test_the_full_size_has_a_row_of_its_own() -> None:
    name, tables = "first_epoch_full_size", everything(flat)
    assert verdict_of(name, tables) == "not tested here"
    few = {"full_size": sweep(falling(0.1), ID_SETS[:4])}
    assert verdict_of(name, tables | few) == "not decided (4 ID sets)"


def test_the_difference_is_said_with_the_pairs_of_both_sides() -> None:
    """Every set has two simple pairs and the complex one, and all but KMNIST that with KMNIST."""
    found = claim("simple_ood", everything(gain(0.2, "simple")))
    assert "over 14 pairs of sets, 7 ID sets; elsewhere gain " in found.number
    assert "over 13 pairs of sets, 7 ID sets; difference " in found.number


def test_one_seed_cannot_choose_for_another() -> None:
    tables = everything(flat)
    rows = tables["epoch_sweep"]
    one = evidence(tables | {"epoch_sweep": rows[rows["seed"] == 0]})
    assert not [c for c in judged_claims(one) if c.id.startswith("own_epoch")]


def test_every_claim_is_judged_from_published_results() -> None:
    topics = claims_by_topic(read_evidence())
    judged = [claim for claims in topics.values() for claim in claims]
    assert len({claim.id for claim in judged}) == len(judged) >= 13
    assert len({claim.text for claim in judged}) == len(judged)
    assert all(claim.number and "nan" not in claim.number for claim in judged)
    shown = (claim_cards(judged), folded_claims(judged), claims_under_topics(topics))
    for cards in (each.data for each in shown):
        assert cards.count('class="claim ') == len(judged)
        for claim in judged:
            for part in (claim.text, str(claim.judgement), claim.number, claim.test):
                assert html.escape(typeset(part)) in cards


def test_a_topic_counts_its_verdicts() -> None:
    verdicts = (Verdict.HOLDS, Verdict.OPEN, Verdict.OPEN)
    claims = [Claim(str(i), f"<{i}>", "", "", "", Judgement(v)) for i, v in enumerate(verdicts)]
    shown = claims_under_topics({"A & B": claims}).data
    assert "<strong>A &amp; B</strong> (holds: 1, not decided: 2)</summary>" in shown
    assert "&lt;2&gt;" in shown


def test_flows_are_compared_by_their_means_over_seeds() -> None:
    """Set a has two seeds, which disagree, and set b has one."""
    values = {("a", 0, 1.0, 1): 0.6, ("a", 0, 2.0, 1): 0.9, ("a", 1, 1.0, 1): 0.8}
    values |= {("a", 1, 2.0, 1): 0.7, ("b", 0, 1.0, 1): 0.9, ("b", 0, 2.0, 1): 0.5}
    values |= {("a", 0, 0.0, 1): 0.3, ("b", 0, 0.0, 1): 0.4}
    found = _over_epochs(published(values, "layer_gradients"))
    assert (found["flows"], found["flows_compared"]) == ("3", "2")
    assert (found["later_better"], found["early_better"], found["pairs_up"]) == ("1", "1", "1")
    assert found["mean_untrained"].startswith("0.350 [")
    assert found["mean_early"].startswith("0.800 [")
    assert found["mean_last"].startswith("0.650 [")


def test_gains_are_by_model_and_over_typicality() -> None:
    """At the end the gradients gain .3 and .1 on the likelihood and lose .1 on typicality."""
    rows = pd.DataFrame(
        [
            {"id_dataset": "a", "ood": "x", "model": model, "seed": 0, "group_size": 1}
            | {"epoch": epoch, "detector": detector, "auroc": auroc + (epoch == 1.0) * early}
            | {"objective": "log_prob" if detector == "layer_gradients" else ""}
            for model, of_likelihood in (("glow", 0.2), ("dense_glow", 0.4))
            for epoch in (1.0, 2.0)
            for detector, auroc, early in (
                ("layer_gradients", 0.5, 0.2),
                ("likelihood", of_likelihood, 0.0),
                ("typicality", 0.6, 0.0),
            )
        ]
    )
    tables = everything(flat) | {"epoch_sweep": rows}
    found = _gains_by_model(evidence(tables)) | _gains_over_typicality(evidence(tables))
    assert {name: float(text[:6]) for name, text in found.items()} == pytest.approx(
        {
            "gain_glow": 0.3,
            "gain_dense_glow": 0.1,
            "typicality_early": 0.1,
            "typicality_last": -0.1,
        }
    )


def test_deviation_over_seeds_needs_several() -> None:
    """Set a has seeds .2 apart and errors of .05; set b has one seed and a larger error."""
    values = {("a", 0, 1.0, 1): 0.5, ("a", 1, 1.0, 1): 0.7, ("b", 0, 1.0, 1): 0.9}
    rows = published(values, "layer_gradients")
    reach = rows["id_dataset"].map({"a": 0.05, "b": 0.2}) * stats.norm.ppf(0.975)
    rows = rows.assign(low=rows["auroc"] - reach, high=rows["auroc"] + reach)
    (found,) = seeds_and_images(rows).to_numpy()
    assert found.tolist() == pytest.approx([0.2 / np.sqrt(2), 0.05])


def test_the_largest_setback_is_that_of_one_flow() -> None:
    bits = pd.DataFrame(
        [
            {
                "id_dataset": "a",
                "model": "glow",
                "seed": seed,
                "epoch": epoch,
                "bits_per_dim": value,
            }
            for seed, values in enumerate(((9.0, 7.0, 3.0, 5.0), (9.0, 7.0, 6.0, 5.0)))
            for epoch, value in enumerate(values)
        ]
    )
    values = {("a", 0, float(e), 1): 0.5 for e in (1, 2, 3)}
    found = _bits(bits, published(values, "layer_gradients"))
    assert (found["bits_early"], found["bits_last"]) == ("7.00", "5.00")
    assert (found["bits_gained"], found["setback"]) == ("2.0", "2.0")


def regrets(saved: float, noise: float, seeds: int) -> pd.DataFrame:
    """Two criteria: the first saves so much on every pair, the second nothing."""
    names = ("cifar10", "gtsrb", "celeba", "mnist", "kmnist", "omniglot")
    index = pd.MultiIndex.from_tuples(
        [(i, "glow", s, o) for i in names for o in names if i != o for s in range(seeds)],
        names=["id_dataset", "model", "seed", "ood"],
    )
    drawn = np.random.default_rng(0).normal(size=(3, len(index))) * noise
    columns = {"last epoch": 0.2 + drawn[0], "good": 0.2 - saved + drawn[1], "idle": 0.2 + drawn[2]}
    return pd.DataFrame(columns, index=index)


@pytest.mark.parametrize(
    ("saved", "noise", "seeds", "said"),
    [
        (0.1, 0.01, 3, "holds"),
        (0.1, 0.01, 1, "not decided (one seed alone: holds)"),
        (0.0, 0.001, 3, "does not hold"),
        (0.02, 0.3, 3, "not decided"),
    ],
)
def test_criteria_are_judged_by_one_band(saved: float, noise: float, seeds: int, said: str) -> None:
    judged = criterion_claim(regrets(saved, noise, seeds))
    assert str(judged.judgement) == said
    assert "2 criteria" in judged.test
    if saved == 0.1:
        assert judged.number.startswith("the best, “good”, saves ")


def test_a_quoted_claim_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="stopped_early_single"):
        words([], evidence(everything(flat)), pd.DataFrame())


def long_trainings(gain: float, growth: float, seeds: tuple[int, ...]) -> Evidence:
    """Long flows in which groups gain so much, and overlap goes so with epoch and against AUROC."""
    flows = [
        {"id_dataset": own, "model": "glow", "seed": seed, "ood": ood, "epoch": epoch}
        for own in ID_SETS
        for seed in seeds
        for ood in ID_SETS
        if ood != own
        for epoch in (0.0, 1.0, 5.0, 20.0)
    ]
    readings = [
        flow
        | {"detector": "layer_gradients", "objective": "log_prob", "group_size": size}
        | {"auroc": 0.6 + gain * (size == 5) + 0.01 * (flow["ood"] == "mnist")}
        for flow in flows
        for size in (1, 5)
    ]
    overlaps = [
        flow | {"overlap": 0.5 + growth * float(str(flow["epoch"])), "auroc": 0.9 - 0.01 * (i % 4)}
        for i, flow in enumerate(flows)
    ]
    tables = evidence(everything(flat))
    return replace(
        tables, long_readings=pd.DataFrame(readings), long_overlaps=pd.DataFrame(overlaps)
    )


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_long_trainings_are_judged_alike_and_one_seed_decides_nothing(
    seeds: tuple[int, ...],
) -> None:
    found = {
        sign: {c.id: str(c.judgement) for c in long_claims(long_trainings(sign * 0.1, sign, seeds))}
        for sign in (1, -1)
    }
    alone = len(seeds) == 1
    for sign, verdict in ((1, "holds"), (-1, "does not hold")):
        expected = f"not decided (one seed alone: {verdict})" if alone else verdict
        assert found[sign]["groups_long"] == expected
        assert found[sign]["overlap_grows_long"] == expected
