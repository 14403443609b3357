"""Overlap of ID and OOD scores, its correlations, and a wrong density in one dimension."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

import earlyglow as eg
from earlyglow_book.chapters.support_overlap import (
    SupportOverlap,
    auroc_of_density,
    auroc_of_likelihood_ratio,
    correlations_across,
    correlations_within,
    overlaps_of_histograms,
    words,
)
from earlyglow_book.experiment import result_of
from earlyglow_book.tables.pairs import Mean
from tests.chapters.studies import SMOKE, flow_and_sets, sweep_aurocs


def test_support_overlap_is_that_of_bits_per_dimension() -> None:
    study = SupportOverlap(**SMOKE)
    table = result_of(study).tables["overlap"]
    flow, _, pixels = flow_and_sets(study)
    with torch.no_grad():
        bits = [
            eg.bits_per_dim(flow.log_prob(pixels[name]).double(), flow.dims).numpy()
            for name in ("digits", "textures")
        ]
    row = table.query("epoch == 1 and detector == 'likelihood'").iloc[0]
    assert row["kde"] == pytest.approx(eg.overlap_coefficient(*bits), abs=1e-6)
    released = eg.overlap_coefficient(*bits, bandwidth=0.5)
    assert row["kde_released"] == pytest.approx(released, abs=1e-6)
    assert row["histogram_low"] <= row["histogram_high"]
    for detector, objective in (("likelihood", ""), ("layer_gradients", "log_prob")):
        found = table[table["detector"] == detector].set_index("epoch")["auroc"]
        expected = sweep_aurocs(study, detector, objective)
        np.testing.assert_allclose(found, expected.loc[found.index], atol=1e-12)


def test_what_the_overlap_does_is_quoted_for_the_likelihood() -> None:
    rows = pd.DataFrame(
        {"detector": ["likelihood", "likelihood", "layer_gradients"]}
        | {name: [0.1, 0.3, 9.0] for name in ("kde", "kde_released", "histogram")}
    )
    names = [f"likelihood: overlap and {what}" for what in ("epoch", "AUROC", "|AUROC - ½|")]
    names += ["gradients: overlap and AUROC", "gradients: overlap and epoch"]
    within = {name: Mean(0.1 * i, 0.0, 0.9, 7, 5) for i, name in enumerate(names)}
    across = pd.DataFrame({"likelihood": {"auroc": -0.25, "distance": 0.5}})
    found = words(rows, within, across)
    assert (found["growth"], found["pairs"]) == (str(within[names[0]]), "7")
    assert found["distance"].startswith("0.200")
    assert found["gradients_growth"].startswith("0.400")
    assert (found["across"], found["across_distance"]) == ("-0.25", "0.50")
    assert (found["released"], found["ruled"], found["histogram"]) == ("0.20", "0.20", "0.20")


def test_overlap_correlations_are_within_pairs_and_across_them() -> None:
    """Overlap grows over the epochs of each pair; across pairs it falls with the AUROC."""
    rows = pd.DataFrame(
        [
            {"id_dataset": own, "ood": "x", "model": "glow", "seed": 0, "detector": detector}
            | {"epoch": e, "kde": 0.1 * i + 0.01 * e, "auroc": 0.9 - 0.1 * i + 0.01 * e}
            for detector in ("likelihood", "layer_gradients")
            for i, own in enumerate(("a", "b", "c"))
            for e in (1.0, 2.0, 3.0)
        ]
    )
    rows = rows.assign(distance=(rows["auroc"] - 0.5).abs())
    within = correlations_within(rows)
    assert all((values == 1).all() for values in within.values())
    across = correlations_across(rows)
    assert across.loc["auroc"].tolist() == pytest.approx([-1, -1])


@pytest.mark.parametrize("mean", [0.0, -0.7, 1.5])
def test_auroc_of_a_density_by_simulation(mean: float) -> None:
    random = np.random.default_rng(0)
    own, ood = random.normal(size=20_000), random.normal(0.5, 0.4, size=20_000)
    scores = np.concatenate(((own - mean) ** 2, (ood - mean) ** 2))
    expected = roc_auc_score(np.repeat([0, 1], 20_000), scores)
    assert auroc_of_density(mean, 0.5, 0.4) == pytest.approx(expected, abs=0.01)


def test_likelihood_ratio_is_best_and_exact_where_it_is_monotone() -> None:
    best = auroc_of_likelihood_ratio(0.5, 0.5)
    means = np.linspace(-5, 5, 41)
    assert best > max(auroc_of_density(m, 0.5, 0.5) for m in means)
    # With equal deviations the ratio is monotone in x: the AUROC is that of x itself.
    # Far away, wide or narrow: no density detects better than the ratio.
    for mean, deviation in ((0.0, 10.0), (0.0, 5.0), (0.0, 1e-3), (30.0, 1.0), (3.0, 0.1)):
        ratio = auroc_of_likelihood_ratio(mean, deviation)
        densities = (auroc_of_density(m, mean, deviation) for m in means)
        assert 1 + 1e-9 > ratio > max(densities) - 1e-6
    # N(0, s²) against N(0, 1): the larger |x| wins, by the chance that a ratio has.
    wide = auroc_of_likelihood_ratio(0.0, 10.0)
    assert wide == pytest.approx(2 / np.pi * np.arctan(10), abs=1e-4)
    shifted = auroc_of_likelihood_ratio(1.0, 1.0)
    assert shifted == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=1e-4)


def test_the_true_density_is_beaten_by_a_wrong_one() -> None:
    assert auroc_of_density(0.0, 0.5, 0.5) < 0.5
    assert auroc_of_density(-1.0, 0.5, 0.5) > 0.6
    with pytest.raises(ValueError, match="ood_deviation is 0"):
        auroc_of_density(0.0, 0.5, 0.0)


def test_overlaps_of_stored_histograms_are_those_of_the_binned_scores() -> None:
    generator = np.random.default_rng(0)
    edges = np.linspace(-12, 12, 101)
    scores = {"own": generator.normal(0, 1, 400), "ood": generator.normal(1, 2, 300)}
    rows = pd.DataFrame(
        [
            {"id_dataset": "own", "model": "glow", "seed": 0, "epoch": 1.0, "dataset": name}
            | {"detector": detector, "group_size": size}
            | {"counts": np.histogram(values, edges)[0].astype(np.uint16).tobytes()}
            for name, values in scores.items()
            for detector, size in (("likelihood", 1), ("likelihood", 5), ("neighbours", 1))
        ]
    )
    found = overlaps_of_histograms(rows)
    assert found["ood"].tolist() == ["ood"]
    own, ood = (np.digitize(values, edges) for values in scores.values())
    shared = sum(min((own == b).mean(), (ood == b).mean()) for b in range(102))
    assert found["overlap"].item() == pytest.approx(shared)
    labels = np.repeat([0, 1], [len(own), len(ood)])
    expected = roc_auc_score(labels, np.concatenate((own, ood)))
    assert found["auroc"].item() == pytest.approx(expected)
