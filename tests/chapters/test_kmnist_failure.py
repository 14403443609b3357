"""KMNIST: explanations, controls, and the quoted numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import earlyglow as eg
from earlyglow_book.chapters.kmnist_failure import KmnistFailure, words
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs.measuring import noise_seed
from earlyglow_book.image_changes import as_image_set, with_low_level_of
from tests.chapters.rows import auroc_rows
from tests.chapters.studies import SMOKE, flow_and_sets, sweep_aurocs


def test_kmnist_failure_agrees_with_the_sweep() -> None:
    study = KmnistFailure(**SMOKE)
    tables = result_of(study).tables
    explained = tables["explanations"].set_index(["explanation", "epoch"])["auroc"]
    for label, objective in (("as measured", "log_prob"), ("objective sum_z", "sum_z")):
        expected = sweep_aurocs(study, "layer_gradients", objective)
        np.testing.assert_allclose(
            explained[label], expected.loc[explained[label].index], atol=1e-12
        )
    flow, sets, pixels = flow_and_sets(study)
    detector = eg.LayerGradientDetector(flow).fit(pixels["fit"])
    inverted = sets["textures"].inverted()
    x = eg.dequantize(inverted.images, seed=noise_seed(inverted, study.seed))
    expected = eg.auroc(detector.predict(pixels["digits"]), detector.predict(x))
    assert explained["OOD inverted", 1.0] == pytest.approx(expected, abs=1e-6)
    fresh = study.run.load_fresh_id_images(len(sets["fit"])).images
    swapped = as_image_set(with_low_level_of(fresh, sets["fit"].images))
    x = eg.dequantize(swapped.images, seed=noise_seed(swapped, study.seed))
    expected = eg.auroc(detector.predict(pixels["digits"]), detector.predict(x))
    controls = tables["controls"].set_index(["control", "epoch"])["auroc"]
    assert controls["ID with ID spectrum", 1.0] == pytest.approx(expected, abs=1e-6)
    assert set(tables["controls"]["control"]) == {"ID with ID spectrum", "ID with ID ink"}
    shares = detector.layer_scores(detector.statistics(pixels["digits"]))
    assert tables["layers"].query("epoch == 1")["tensor"].nunique() == shares.shape[1]
    ink = tables["ink"].set_index("dataset").loc["digits", "mean_level"]
    assert ink == pytest.approx(sets["digits"].images.double().mean().item(), rel=1e-5)


def test_kmnist_ranges_are_over_seeds_and_objectives_not_over_their_means() -> None:
    config = KmnistFailure("kmnist", ("mnist",), profile="smoke")
    rows = pd.concat(
        auroc_rows({("mnist", 1.0): a}, id_dataset="kmnist", model="glow", objective=o, seed=seed)
        for seed, o, a in (
            (0, "log_prob", 0.3),
            (1, "log_prob", 0.5),
            (0, "sum_z", 0.9),
        )
    )
    others = auroc_rows({("kmnist", 1.0): 0.6}, id_dataset="mnist", model="glow", seed=0)
    names = ["as measured", "objective sum_z", "fit set overlaps", "scored without noise"]
    names += ["trained without noise", "OOD inverted", "OOD with ID ink", "OOD with ID spectrum"]
    explanations = pd.DataFrame(
        [
            {"explanation": name, "ood": ood, "auroc": 0.1 * i + shift, "epoch": 0.5}
            | {"low": 0.1 * i + shift - 0.05}
            for i, name in enumerate(names)
            for ood, shift in (("mnist", 0.0), ("omniglot", 0.1))
        ]
    ).assign(epoch=config.shown_epochs[1])
    epochs = pd.DataFrame(
        {"dataset": "kmnist", "epoch": [0.0, 0.5, 1.0], "bits_per_dim": [8, 3, 4]}
    )
    controls = pd.DataFrame(
        [
            {"control": f"ID with ID {name}", "auroc": a, "low": a - 0.1, "high": a + 0.1}
            | {"epoch": epoch}
            for name, value in (("ink", 0.3), ("spectrum", 0.6))
            for epoch, a in ((config.shown_epochs[0], 0.1), (config.shown_epochs[1], value))
        ]
    )
    tables = {"explanations": explanations, "controls": controls}
    found = words(config, pd.concat((rows, others)), tables, {"epochs": epochs})
    # Ink: .6 and .7 with their lower ends against .4; spectrum: .7 and .8 against .7.
    assert (found["control_ink"], found["beyond_ink"]) == ("0.300 [0.200, 0.400]", "2 of 2")
    assert found["control_spectrum"] == "0.600 [0.500, 0.700]"
    assert found["beyond_spectrum"] == "1 of 2"
    assert (found["as_id"], found["as_ood"]) == ("0.30 to 0.90", "0.60 to 0.60")
    assert found["within"] == "50%"
    assert (found["hardest"], found["hardest_auroc"]) == ("MNIST", "0.40")
    assert (found["ink_easier"], found["ink_harder"]) == ("2", "0")
    assert found["arranged"] == "0.70 to 0.80"
    assert (found["bits_best_epoch"], found["bits_last"]) == ("0.5", "4.00")
