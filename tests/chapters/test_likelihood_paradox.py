"""Every detector on the same images: agreement with the sweep, and the quoted numbers."""

from __future__ import annotations

import pandas as pd
import pytest

import earlyglow as eg
from earlyglow_book.chapters.likelihood_paradox import LikelihoodParadox, words
from earlyglow_book.experiment import result_of
from earlyglow_book.tables.aurocs import select
from tests.chapters.studies import SMOKE, flow_and_sets, sweep_aurocs


def test_likelihood_paradox_agrees_with_the_sweep_and_the_detectors() -> None:
    study = LikelihoodParadox(**SMOKE)
    table = result_of(study).tables["aurocs"]
    for size in (1, 5):
        for detector, objective in (
            ("layer_gradients", "log_prob"),
            ("layer_gradients", "sum_z"),
            ("likelihood", ""),
            ("typicality", ""),
        ):
            found = select(table, detector, objective, size).set_index("epoch")["auroc"]
            expected = sweep_aurocs(study, detector, objective, size)
            pd.testing.assert_series_equal(found, expected.loc[found.index])
    flow, _, pixels = flow_and_sets(study)
    last = table[(table["epoch"] == study.run.epochs[-1]) & (table["group_size"] == 5)]
    for compressor in ("png", "jpeg2000"):
        detector = eg.InputComplexityDetector(flow, 5, compressor)
        scores = [detector.predict(pixels[name]) for name in ("digits", "textures")]
        (found,) = last[last["objective"] == compressor]["auroc"]
        assert found == pytest.approx(eg.auroc(*scores), abs=1e-6)


def test_gains_over_the_likelihood_are_by_model_and_complexity() -> None:
    """Against simple OOD sets the gradients gain .2, elsewhere they lose .1; the KDE is best."""
    bits = pd.DataFrame({"dataset": ["a", "b", "plain", "rich"], "png_bits": [3, 4, 1, 9]})
    rows = pd.DataFrame(
        [
            {"id_dataset": own, "ood": ood, "model": model, "seed": 0, "epoch": epoch}
            | {"detector": detector, "objective": objective}
            | {"auroc": auroc + (0.2 if ood == "plain" else -0.1) * (detector != "likelihood")}
            for own, model in (("a", "glow"), ("b", "glow"), ("b", "dense_glow"))
            for ood in ("plain", "rich")
            for epoch in (1.0, 2.0)
            for detector, objective, auroc in (
                ("likelihood", "", 0.5),
                ("layer_gradients", "log_prob", 0.5),
                ("layer_gradients", "sum_z", 0.1),
                ("layer_density", "log_prob", 0.6),
                ("total_norm", "log_prob", 0.4),
                ("rao", "log_prob", 0.3),
                ("typicality", "", 0.55),
            )
        ]
    )
    found = words(rows, bits)
    assert (found["pairs"], found["last"]) == ("6", "2")
    assert found["best"] == "density of log norms"
    assert found["mean_likelihood"].startswith("0.500")
    assert found["mean_best_value"].startswith("0.650")
    assert found["gain_simpler"].startswith("0.200")
    assert found["gain_others"].startswith("-0.100")
    assert found["gain_glow"].endswith("(4 pairs)")
    assert found["gain_dense"].endswith("(2 pairs)")
    assert found["gain_typicality"].startswith("-0.050")
    assert found["typicality_simpler"].startswith("-0.050")
    assert found["layers_gain"].startswith("0.100")
    assert found["density_gain"].startswith("0.100")
