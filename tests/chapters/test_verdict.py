"""Verdicts on known tables, and the numbers that the page quotes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow_book.chapters.verdict.evidence import Evidence, read_evidence
from earlyglow_book.chapters.verdict.rules import claims_table, judged_claims
from earlyglow_book.chapters.verdict.words import (
    _bits,
    _gains_by_model,
    _gains_over_typicality,
    _over_epochs,
    seeds_and_images,
    words,
)
from earlyglow_book.tables.claims import Claim
from tests.chapters.rows import published

ID_SETS = ("mnist", "fashion_mnist", "kmnist", "omniglot", "cifar10", "gtsrb", "celeba")
OOD = ("simple", "complex", "kmnist")
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
            + (0.002 if epoch == EPOCHS[1 + i % 3] else 0.0),
        }
        for i, own in enumerate(id_sets)
        for seed in (0, 1)
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
    return pd.DataFrame(rows)


def complexity() -> pd.DataFrame:
    bits = dict.fromkeys(ID_SETS, 3.0) | {"simple": 1.0, "complex": 5.0}
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
    return Evidence(
        gradients={size: of("layer_gradients", "log_prob", size) for size in (1, 5)},
        sum_z=of("layer_gradients", "sum_z", 1),
        full_size=full[
            (full["detector"] == "layer_gradients")
            & (full["objective"] == "log_prob")
            & (full["group_size"] == 1)
        ],
        baselines={name: of(name, "", 1) for name in ("likelihood", "typicality")},
        overlap=tables["support_overlap"],
        complexity=tables["likelihood_paradox"],
        augmentation=tables["synthetic_augmentation"],
        paper_bits=pd.DataFrame(),
    )


def claim(text: str, tables: dict[str, pd.DataFrame]) -> Claim:
    (found,) = [claim for claim in judged_claims(evidence(tables)) if text in claim.text]
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
        return 0.7 + (change + noise if epoch == 20 and ood != "simple" else 0)

    return auroc


@pytest.mark.parametrize(
    ("text", "auroc", "verdict"),
    [
        ("or better: single images", falling(0.05), "holds: better"),
        ("or better: single images", falling(0.0), "holds: as good"),
        ("or better: single images", falling(-0.05), "does not hold"),
        ("or better: single images", unlike, "not decided"),
        ("one epoch is enough: single images", falling(0.05), "holds: better"),
        ("one epoch is enough: single images", falling(0.0), "holds: as good"),
        ("one epoch is enough: single images", falling(-0.05), "does not hold"),
        ("one epoch is enough: single images", unlike, "not decided"),
        ("or better: groups of five", only_groups(falling(0.05)), "holds: better"),
        ("or better: single images", only_groups(falling(0.05)), "holds: as good"),
        ("one epoch is enough: groups of five", only_groups(falling(-0.05)), "does not hold"),
        ("no training at all: single images", untrained(-0.1), "does not hold"),
        ("no training at all: groups of five", untrained(0.1), "holds: better"),
        ("its own best epoch: groups of five", only_groups(falling(-0.05)), "does not hold"),
        ("its own best epoch: single images", falling(0.05), "holds: as good"),
        ("its own best epoch: single images", falling(-0.05), "does not hold"),
        ("Groups of five", groups(0.1), "holds"),
        ("Groups of five", groups(-0.1), "does not hold on average, not in every case"),
        ("gradient score beats", gain(0.1), "holds"),
        ("gradient score beats", gain(-0.1), "does not hold"),
        ("gradient score beats", gain(0.001), "not decided"),
        ("most of all for a complex", gain(0.2, "simple"), "holds"),
        ("most of all for a complex", gain(0.2, "complex"), "does not hold"),
        ("longer training lowers", longer(-0.1), "holds"),
        ("longer training lowers", longer(0.1), "does not hold"),
        ("With KMNIST", lambda *_: 0.5, "holds"),
        ("With KMNIST", lambda *_: 0.9, "does not hold"),
        ("With KMNIST", lambda d, b, e, ood, n: 0.5 if ood == "kmnist" else 0.9, "holds for 12 of"),
    ],
)
def test_verdict_from_the_sweep(text: str, auroc: Auroc, verdict: str) -> None:
    found = verdict_of(text, everything(auroc))
    assert found.startswith(verdict)
    assert ("not" in found) == ("not" in verdict)


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
    assert verdict_of("Synthetic augmentation", tables) == verdict


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
    assert verdict_of("overlap of likelihoods grows", tables) == grows
    assert verdict_of("goes with a worse likelihood", tables) == hurts


def test_too_few_id_sets_decide_nothing() -> None:
    few = ID_SETS[:4]
    tables = everything(flat) | {"epoch_sweep": sweep(falling(0.05), few)}
    for text in ("or better: single", "best epoch: groups of five", "gradient score beats"):
        assert verdict_of(text, tables) == "not decided (4 ID sets)"


def test_the_full_size_has_a_row_of_its_own() -> None:
    text, tables = "at its own size", everything(flat)
    assert verdict_of(text, tables) == "not tested"
    few = {"full_size": sweep(falling(0.1), ID_SETS[:4])}
    assert verdict_of(text, tables | few) == "not decided (4 ID sets)"
    assert verdict_of(text, tables | {"full_size": sweep(falling(0.1))}) == "holds: better"


def test_the_difference_is_said_with_the_pairs_of_both_sides() -> None:
    """Every set has the simple and the complex pair, and all but KMNIST that with KMNIST."""
    found = claim("most of all", everything(gain(0.2, "simple")))
    assert "over 7 pairs of 7 ID sets, less gain " in found.number
    assert "over 13 pairs of 7 ID sets: difference " in found.number


def test_one_seed_cannot_choose_for_another() -> None:
    tables = everything(flat)
    rows = tables["epoch_sweep"]
    found = claim("its own best epoch: single", tables | {"epoch_sweep": rows[rows["seed"] == 0]})
    assert found.number == "no pair to compare"
    assert str(found.judgement) == "not decided (0 ID sets)"


def test_every_claim_is_judged_from_published_results() -> None:
    judged = judged_claims(read_evidence())
    assert len({claim.id for claim in judged}) == len(judged) >= 13
    assert len({claim.text for claim in judged}) == len(judged)
    assert all(claim.number and "nan" not in claim.number for claim in judged)
    table = claims_table(judged)
    assert table["verdict"].tolist() == [str(claim.judgement) for claim in judged]


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


def test_a_quoted_claim_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="stopped_early_single"):
        words([], evidence(everything(flat)), pd.DataFrame())
