"""Shares of the features that accuracy allows, against cuts by hand."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow_book.chapters.gradient_short_circuit import ShortCircuitShares, inputs
from earlyglow_book.chapters.gradient_short_circuit.shares import (
    chosen_shares,
    claim_at_chosen_share,
    words,
)
from earlyglow_book.experiment import result_of


def rows(*shares: tuple[str, float, float, float, float, float]) -> pd.DataFrame:
    names = ["at", "fraction", "lost_choosing", "change", "low", "high"]
    return pd.DataFrame(shares, columns=names).assign(lost_judged=0.002)


TABLE = rows(
    ("deep", 0.01, 0.001, 0.02, 0.01, 0.03),
    ("deep", 0.1, 0.2, 0.3, 0.2, 0.4),
    ("deep", 0.05, 0.01, -0.02, -0.03, -0.01),
    ("last", 0.01, 0.5, 0.1, 0.05, 0.2),
)


def test_the_largest_share_within_the_margin_is_taken() -> None:
    """Not the best one, and none where each costs too much."""
    chosen = chosen_shares(TABLE)
    assert chosen[["at", "fraction"]].to_numpy().tolist() == [["deep", 0.05]]


def test_the_claim_is_judged_at_that_share() -> None:
    assert str(claim_at_chosen_share(TABLE, "deep").judgement) == "does not hold"
    assert "share 0.05: -0.020" in claim_at_chosen_share(TABLE, "deep").number
    untested = claim_at_chosen_share(TABLE, "last")
    assert str(untested.judgement) == "not tested here: no share keeps the accuracy"
    assert "from 0.01 on" in untested.number
    better = claim_at_chosen_share(TABLE[TABLE["fraction"] == 0.01], "deep")
    assert str(better.judgement) == "holds"


def test_each_classifier_is_named_with_its_verdict() -> None:
    experiment = ShortCircuitShares("fashion_mnist", seed=1)
    said = words({experiment: rows(("stage2", 0.01, 0.0, 0.02, 0.01, 0.03))})["allowed_cuts"]
    assert said == (
        "share 0.01: 0.020 [0.010, 0.030]; accuracy lost 0.002 "
        "(Fashion-MNIST, seed 1, after stage2: holds)"
    )


def test_a_row_by_hand() -> None:
    """The detector of the library on the same classifier, one half chosen on and one judged."""
    experiment = ShortCircuitShares("digits", profile="smoke")
    table = result_of(experiment).tables["shares"]
    trained = inputs.trained_classifier(experiment.classifier, cache_folder())
    oods = experiment.classifier.ood_datasets
    sets = inputs.sets_to_score("digits", oods, experiment.classifier.sizes.images, 0)
    labels = inputs.labels_of_scored("digits", sets)
    body, head = eg.split(trained.model, "stage2")
    cut = eg.GradientShortCircuit(body, head, fraction=0.05)
    x, half = sets["digits"], (len(labels) + 1) // 2
    after = cut.explain(x).logits_after
    right = (after.argmax(1) == labels).double()
    with torch.no_grad():
        before = (trained.model(x).argmax(1) == labels).double()
    row = table[(table["at"] == "stage2") & (table["fraction"] == 0.05)].iloc[0]
    assert row["lost_choosing"] == pytest.approx((before - right)[:half].mean().item(), abs=1e-9)
    assert row["lost_judged"] == pytest.approx((before - right)[half:].mean().item(), abs=1e-9)
    scores = {name: cut.predict(images) for name, images in sets.items()}
    mean = sum(eg.auroc(scores["digits"][half:], scores[ood]) for ood in oods) / len(oods)
    assert row["auroc"] == pytest.approx(mean, abs=1e-6)
    assert row["auroc"] - row["plain"] == pytest.approx(row["change"], abs=1e-9)
