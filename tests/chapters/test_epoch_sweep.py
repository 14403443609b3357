"""The epoch sweep: its tables against the detectors, refusals, and the quoted numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.datasets import halves
from earlyglow.detectors import LayerGradientDetector
from earlyglow.metrics import auroc
from earlyglow.training import load_weights
from earlyglow_book import results
from earlyglow_book.chapters.epoch_sweep import EpochSweep, words
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs.measuring import noise_seed
from earlyglow_book.flow_runs.protocol import three_epochs
from earlyglow_book.results import Result
from earlyglow_book.tables.aurocs import select
from tests.chapters.rows import sweep

SWEEP = EpochSweep(id_dataset="digits", profile="smoke", seed=3, group_size=2)


@pytest.fixture
def result() -> Result:
    return result_of(SWEEP)


def test_tables(result: Result) -> None:
    table = result.tables["aurocs"]
    assert set(table["epoch"]) == {0.0, 0.5, 1.0}
    assert set(table["group_size"]) == {1, 2, 5}
    assert set(table["ood"]) == {"textures"}
    kinds = {tuple(pair) for pair in table[["detector", "objective"]].drop_duplicates().to_numpy()}
    assert kinds == {
        ("layer_gradients", "log_prob"),
        ("layer_gradients", "sum_z"),
        ("likelihood", ""),
        ("typicality", ""),
    }
    assert set(select(table, "likelihood", group_size=5)["n_id"]) == {12}
    scores = result.tables["scores"]
    assert set(scores["group_size"]) == {1, 2, 5}
    assert set(scores["dataset"]) == {"digits", "textures"}
    counts = select(scores, "likelihood", group_size=2).groupby(["epoch", "dataset"]).size()
    assert set(counts) == {30}
    layers = result.tables["layers"].set_index(["epoch", "objective", "group_size"])["dropped"]
    assert layers[0.0, "log_prob", 1] > layers[1.0, "log_prob", 1] >= 1


def test_scores_are_those_of_the_detector(result: Result) -> None:
    """From the checkpoint and the images, without the experiment's own code."""
    (checkpoint,) = cache_folder().glob("checkpoints/*/epoch-1.safetensors")
    flow = SWEEP.run.spec.build(0)
    load_weights(flow, checkpoint)
    test = eg.load_images("digits")
    fit, evaluate = halves(len(test))
    sets = test.take(fit[:60]), test.take(evaluate[:60])
    x_fit, x_id = (eg.dequantize(part.images, noise_seed(part, 3)) for part in sets)
    expected = LayerGradientDetector(flow, group_size=2).fit(x_fit).predict(x_id)
    scores = select(result.tables["scores"], "layer_gradients", "log_prob", 2)
    stored = scores[(scores["epoch"] == 1.0) & (scores["dataset"] == "digits")]["score"]
    np.testing.assert_allclose(stored, expected, rtol=1e-3)


def test_no_two_sets_share_their_noise() -> None:
    test = eg.load_images("digits")
    first, second = test.take(torch.arange(5)), test.take(torch.arange(5, 10))
    seeds = {noise_seed(first, 0), noise_seed(second, 0), noise_seed(first, 1)}
    assert len(seeds) == 3
    assert noise_seed(first, 0) == noise_seed(test.take(torch.arange(5)), 0)


def test_aurocs_are_those_of_the_scores(result: Result) -> None:
    row = select(result.tables["aurocs"], "likelihood", group_size=1).set_index("epoch").loc[1.0]
    scores = select(result.tables["scores"], "likelihood", group_size=1)
    at = scores[scores["epoch"] == 1.0].set_index("dataset")["score"]
    assert row["auroc"] == pytest.approx(auroc(at.loc["digits"], at.loc["textures"]))
    assert row["low"] <= row["auroc"] <= row["high"]
    assert (row["n_id"], row["n_ood"]) == (60, 60)


def test_the_second_time_it_is_loaded(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: EpochSweep, workspace: Path) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(EpochSweep, "compute", fail)
    assert result_of(SWEEP).key == result.key
    # What is shown is not part of what is computed.
    assert result_of(EpochSweep("digits", (), (), 2, "sum_z", "smoke", 3)).key == result.key


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_stored_result_has_the_scores_of_every_group_size(result: Result, size: int) -> None:
    found = result_of(EpochSweep("digits", profile="smoke", seed=3, group_size=size))
    assert found.key == result.key
    scores = select(found.tables["scores"], "layer_gradients", "log_prob", size)
    assert set(scores.groupby(["epoch", "dataset"]).size()) == {60 // size}


def test_sets_that_make_no_two_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = EpochSweep("digits", profile="smoke").run
    monkeypatch.setattr(eg, "halves", lambda count: (torch.arange(9), torch.arange(9, 99)))
    with pytest.raises(ValueError, match="9 images of the fit half, but two groups of 5 need 10"):
        run.load_sets()


def test_dense_glow_on_digits() -> None:
    result = result_of(EpochSweep("digits", profile="smoke", model="dense_glow"))
    assert np.isfinite(result.tables["scores"]["score"]).all()
    assert result.tables["aurocs"]["auroc"].between(0, 1).all()


def test_sets_of_another_shape_are_brought_to_the_id_shape() -> None:
    result = result_of(EpochSweep("textures", ("digits",), profile="smoke", epochs=(0, 0.25)))
    assert set(result.tables["scores"]["dataset"]) == {"textures", "digits"}


def test_bits_per_dimension_fall_in_the_published_sweeps() -> None:
    """The flows improve as they should on held-out images, if not at every late epoch."""
    published = [
        result
        for folder in results.committed_folder().glob("epoch_sweep/*")
        for result in [results.load(folder)]
        if result.manifest["parameters"]["profile"] == "classroom"
    ]
    assert len(published) >= 3
    for result in published:
        epochs = result.tables["epochs"]
        name = result.manifest["parameters"]["id_dataset"]
        bits = epochs[epochs["dataset"] == name].set_index("epoch")["bits_per_dim"]
        milestones = bits.loc[[0.0, 0.1, 1.0, bits.index.max()]]
        assert milestones.is_monotonic_decreasing, f"{name}: {bits.to_dict()}"


def test_three_epochs() -> None:
    assert three_epochs(pd.Series([0.0, 0.1, 1.0, 5.0, 20.0, 0.1])) == (0.1, 5.0, 20.0)
    assert three_epochs(pd.Series([0.0])) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"id_dataset": "gtsr"}, "no data set 'gtsr'.*Did you mean 'gtsrb'"),
        ({"ood_datasets": ("mnist", "mnst")}, "'mnst'.*Did you mean"),
        ({"ood_datasets": ("digits",)}, "holds 'digits', which is the in-distribution set"),
        ({"ood_datasets": ("mnist", "mnist")}, "no set may be named twice"),
        ({"epochs": (2.0, 1.0)}, "increasing"),
        ({"group_size": 0}, "group_size is 0"),
        ({"group_size": 31}, "at most 30"),
        ({"objective": "likelihood"}, "objective is 'likelihood'.*log_prob, sum_z"),
        ({"profile": "smok"}, "profile is 'smok'.*Did you mean 'smoke'"),
        ({"model": "vae"}, "model is 'vae'.*glow, dense_glow"),
        ({"seed": -1}, "seed is -1"),
        ({"id_dataset": "textures", "model": "dense_glow"}, "colour.*one of mnist, fashion_mnist"),
        ({"id_dataset": "imagenet32"}, "no usual sets"),
    ],
)
def test_bad_parameters_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        EpochSweep(**{"id_dataset": "digits", "profile": "smoke", **changes})


def test_building_a_flow_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    SWEEP.run.spec.build(seed=0)
    assert torch.equal(torch.rand(1), expected)


def test_fewer_images_are_the_first_of_the_profiles() -> None:
    few = EpochSweep(id_dataset="digits", profile="smoke", images=20).run.load_sets()
    usual = EpochSweep(id_dataset="digits", profile="smoke").run.load_sets()
    for name, images in few.items():
        assert torch.equal(images.images, usual[name].images[:20])
    assert EpochSweep(id_dataset="digits", profile="smoke", images=20).run.group_sizes == (1, 2)


def test_the_paper_profile_trains_in_bf16() -> None:
    precisions = {
        name: EpochSweep(
            id_dataset="kmnist", model="dense_glow", profile=name
        ).run.training.precision
        for name in ("smoke", "full_size", "paper")
    }
    assert precisions == {"smoke": "float32", "full_size": "float32", "paper": "bf16"}


def test_the_epoch_sweep_is_quoted_at_its_size_and_objective() -> None:
    config = EpochSweep("digits", ("textures",), profile="smoke", group_size=5, objective="sum_z")
    shown = sweep(0.9, 0.5, 0.6, 0.7).assign(n_id=12, n_ood=12)
    wanted = (shown["group_size"] == 5) & shown["objective"].isin(["sum_z", ""])
    shown["auroc"] = shown["auroc"].where(wanted, 0.1)
    bits = pd.DataFrame(
        [
            {"dataset": name, "epoch": float(e), "bits_per_dim": value + (name != "digits")}
            for name in ("digits", "a")
            for e, value in enumerate((8.0, 6.0, 5.0, 4.0))
        ]
    )
    found = words(config, {"aurocs": shown, "epochs": bits})
    assert (found["mean_first"], found["mean_last"]) == ("0.500", "0.700")
    assert (found["best_epoch"], found["mean_best"]) == ("0", "0.900")
    assert (found["likelihood_last"], found["sets"]) == ("0.700", "2")
    assert (found["bits_first"], found["bits_last"]) == ("6.00", "4.00")
    assert found["items"] == "12 ID against up to 12 OOD"
    assert found["epoch_images"] == f"{config.run.sizes.images_per_epoch:,}"


def test_another_detector_is_a_result_of_its_own(tmp_path: Path) -> None:
    """The paper's rows stay as they are, and the chosen detector's agree with it, fitted anew."""
    other = EpochSweep(id_dataset="digits", profile="smoke", seed=3, detector="neighbours")
    same = EpochSweep(id_dataset="digits", profile="smoke", seed=3)
    assert other.inputs().key() != same.inputs().key()
    assert same.inputs().key() == SWEEP.inputs().key()
    tables, plain = result_of(other).tables, result_of(same).tables
    theirs = tables["aurocs"][tables["aurocs"]["detector"] != "neighbours"]
    pd.testing.assert_frame_equal(
        theirs.reset_index(drop=True).astype(str), plain["aurocs"].astype(str)
    )
    flow = other.run.spec.build(3)
    load_weights(flow, other.run.train(cache_folder()).checkpoints[1])
    pixels = {
        name: eg.dequantize(images.images, noise_seed(images, 3))
        for name, images in other.run.load_sets().items()
    }
    detector = eg.LayerNeighbourDetector(flow.eval(), 5).fit(pixels["fit"])
    expected = auroc(detector.predict(pixels["digits"]), detector.predict(pixels["textures"]))
    rows = select(tables["aurocs"], "neighbours", "log_prob", 5).set_index("epoch")
    assert rows.loc[1.0, "auroc"] == pytest.approx(expected, abs=2e-3)
    shown = select(tables["aurocs"], "neighbours", "log_prob", 1).set_index("epoch")["auroc"]
    assert words(other, tables)["mean_first"] == f"{shown[0.5]:.3f}"


def test_a_detector_that_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="'covariance' is fitted on at least 10 groups; it must"):
        EpochSweep(id_dataset="digits", profile="smoke", detector="covariance", group_size=10)
