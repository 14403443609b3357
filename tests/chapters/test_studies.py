"""Every study at the smoke profile, against the sweep and against scores computed step by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.datasets import DATASETS, ImageSet, dequantize, load_images
from earlyglow.experiments import (
    GroupSize,
    KmnistFailure,
    LikelihoodParadox,
    LowLevelFeatures,
    ReleasedCode,
    SupportOverlap,
    SyntheticAugmentation,
    collected,
    result_of,
    select,
)
from earlyglow.experiments.controlled_images import as_image_set, with_low_level_of
from earlyglow.experiments.statistics import noise_seed
from earlyglow.experiments.studies import STUDIES
from earlyglow.experiments.studies.base import FlowStudy
from earlyglow.experiments.studies.group_size import mixed_groups
from earlyglow.experiments.studies.released_code import _modules
from earlyglow.training import load_weights

SMOKE = {"id_dataset": "digits", "profile": "smoke", "seed": 3}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def one_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(home))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.delenv("EARLYGLOW_RESULTS", raising=False)


def sweep_aurocs(study: FlowStudy, detector: str, objective: str, size: int = 1) -> pd.Series:
    table = result_of(study.sweep).tables["aurocs"]
    return select(table, detector, objective, size).set_index("epoch")["auroc"]


def flow_and_sets(study: FlowStudy) -> tuple[eg.Flow, dict[str, ImageSet], dict[str, torch.Tensor]]:
    """The flow of the last epoch, the images, and the images as they were measured."""
    run = study.sweep.train(cache_folder())
    flow = study.sweep.flow.build(study.seed)
    load_weights(flow, run.checkpoints[study.sweep.epochs[-1]])
    sets = study.sweep.load_sets()
    pixels = {
        name: dequantize(images.images, seed=noise_seed(images, study.seed))
        for name, images in sets.items()
    }
    return flow.eval(), sets, pixels


@pytest.mark.parametrize("kind", STUDIES)
def test_inputs_differ_from_the_sweeps_and_agree_on_trust(kind: type[FlowStudy]) -> None:
    study = kind(**SMOKE)
    assert study.inputs().key() != study.sweep.inputs().key()
    assert study.inputs_on_trust().agrees_with(study.inputs())
    assert study.inputs().versions[kind.name] == kind.version
    assert study.source_path[-1].endswith(".py")


@pytest.mark.parametrize("kind", STUDIES)
def test_bad_values_are_refused(kind: type[FlowStudy]) -> None:
    with pytest.raises(ValueError, match="there is no data set 'digit'"):
        kind(id_dataset="digit")
    with pytest.raises(ValueError, match="there is no profile 'tiny'"):
        kind(id_dataset="digits", profile="tiny")


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
    last = table[(table["epoch"] == study.sweep.epochs[-1]) & (table["group_size"] == 5)]
    for compressor in ("png", "jpeg2000"):
        detector = eg.InputComplexityDetector(flow, 5, compressor)
        scores = [detector.predict(pixels[name]) for name in ("digits", "textures")]
        (found,) = last[last["objective"] == compressor]["auroc"]
        assert found == pytest.approx(eg.auroc(*scores), abs=1e-6)


def test_mixed_groups_hold_what_they_say() -> None:
    inside, outside = torch.arange(20.0), 100 + torch.arange(7.0)
    groups = mixed_groups(inside, outside, 5, 2).view(-1, 5)
    assert len(groups) == 3
    assert (groups[:, :2] >= 100).all()
    assert (groups[:, 2:] < 100).all()
    assert groups.unique().numel() == 15
    assert mixed_groups(inside, outside, 5, 5).tolist() == outside[:5].tolist()


def test_groups_of_ood_images_alone_are_those_of_the_sweep() -> None:
    study = GroupSize(**SMOKE, group_size=5)
    tables = result_of(study).tables
    pure = tables["mixed"].query("ood_images == 5 and detector == 'layer_gradients'")
    expected = sweep_aurocs(study, "layer_gradients", "log_prob", 5)
    for row in pure.itertuples():
        assert row.auroc == pytest.approx(expected[row.epoch], abs=1e-9)
        assert (row.n_id, row.n_ood) == (12, 12)
    flow, _, pixels = flow_and_sets(study)
    norms = {
        name: eg.layer_gradient_norms(flow, x, 2).values.double().log()
        for name, x in pixels.items()
    }
    known = (norms["fit"].std(0) > 0) & norms["fit"].isfinite().all(0)
    expected_deviation = norms["fit"][:, known].std(0).median().item()
    last = tables["separation"].query("epoch == 1 and group_size == 2").set_index("dataset")
    assert last.loc["textures", "deviation"] == pytest.approx(expected_deviation, rel=1e-4)


def test_only_published_results_are_collected() -> None:
    result_of(GroupSize(**SMOKE, group_size=5))
    assert collected.published_rows("group_size", "mixed", profile="smoke").empty
    rows = collected.published_rows("epoch_sweep", "aurocs", profile="smoke")
    assert set(rows["id_dataset"]) == {"digits", "gtsrb"}
    assert rows.columns[:3].tolist() == collected.FLOW


def test_group_size_must_have_been_measured() -> None:
    with pytest.raises(ValueError, match=r"group_size is 3, .* it must be one of 2, 5"):
        GroupSize(**SMOKE, group_size=3)


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


def test_released_code_variants() -> None:
    study = ReleasedCode(**SMOKE)
    effects = result_of(study).tables["effects"].query("group_size == 1")
    by_variant = effects.set_index(["variant", "epoch"])
    for label, objective in (("as the paper says", "log_prob"), ("gradient of Σ z", "sum_z")):
        found = by_variant.loc[label, "auroc"]
        expected = sweep_aurocs(study, "layer_gradients", objective)
        np.testing.assert_allclose(found, expected.loc[found.index], atol=1e-12)
    ours = by_variant.loc["as the paper says", "auroc"]
    for label in by_variant.index.unique("variant"):
        change = by_variant.loc[label, "auroc"] - ours
        np.testing.assert_allclose(by_variant.loc[label, "change"], change, atol=1e-12)
    flow, _, pixels = flow_and_sets(study)
    detector = eg.LayerGradientDetector(flow).fit(torch.cat((pixels["fit"], pixels["digits"])))
    scores = [detector.predict(pixels[name]) for name in ("digits", "textures")]
    found = by_variant.loc[("fit set holds the scored images", 1.0), "auroc"]
    assert found == pytest.approx(eg.auroc(*scores), abs=1e-6)


def test_modules_add_up_their_tensors() -> None:
    names, columns = _modules(("a.weight", "a.bias", "b.c.weight", "scale"))
    assert names == ("a", "b.c", "")
    assert (torch.tensor([[1.0, 2.0, 4.0, 8.0]]) @ columns).tolist() == [[3.0, 4.0, 8.0]]


def test_released_code_trains_dense_glow_otherwise() -> None:
    study = ReleasedCode(**SMOKE, model="dense_glow")
    variants = set(result_of(study).tables["effects"]["variant"])
    assert {"released initialisation", "no dequantisation"} <= variants


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
    x = dequantize(inverted.images, seed=noise_seed(inverted, study.seed))
    expected = eg.auroc(detector.predict(pixels["digits"]), detector.predict(x))
    assert explained["OOD inverted", 1.0] == pytest.approx(expected, abs=1e-6)
    fresh = study.fresh_id_images(len(sets["fit"]))
    swapped = as_image_set(with_low_level_of(fresh, sets["fit"].images))
    x = dequantize(swapped.images, seed=noise_seed(swapped, study.seed))
    expected = eg.auroc(detector.predict(pixels["digits"]), detector.predict(x))
    controls = tables["controls"].set_index(["control", "epoch"])["auroc"]
    assert controls["ID with ID spectrum", 1.0] == pytest.approx(expected, abs=1e-6)
    assert set(tables["controls"]["control"]) == {"ID with ID spectrum", "ID with ID ink"}
    shares = detector.layer_scores(detector.statistics(pixels["digits"]))
    assert tables["layers"].query("epoch == 1")["tensor"].nunique() == shares.shape[1]
    ink = tables["ink"].set_index("dataset").loc["digits", "mean_level"]
    assert ink == pytest.approx(sets["digits"].images.double().mean().item(), rel=1e-5)


def test_low_level_features_has_a_control_of_fresh_images() -> None:
    study = LowLevelFeatures(**SMOKE)
    tables = result_of(study).tables
    control = tables["aurocs"].query("ood == 'unchanged' and detector == 'layer_gradients'")
    assert ((control["low"] <= 0.5) & (control["high"] >= 0.5)).all()
    changed = {"low level", "content", "levels swapped", "content swapped"}
    assert set(tables["aurocs"]["kind"]) == {"neither", "swap alone"} | changed
    assert "red and blue swapped" not in set(tables["aurocs"]["ood"])
    fresh, sets = study.fresh_id_images(500), study.sweep.load_sets()
    scored = sets["digits"].images
    assert not any((image == scored).flatten(1).all(1).any() for image in fresh[:20])
    (swapped,) = (x for kind, _, x in study._variants(sets) if kind == "swap alone")
    levels = (x.flatten(1).sort(1).values for x in (swapped, sets["fit"].images))
    assert torch.equal(*levels)


def test_images_that_may_not_be_shown_are_in_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {name: replace(DATASETS[name], may_be_shown=False) for name in ("digits", "textures")}
    monkeypatch.setitem(DATASETS, "textures", hidden["textures"])
    study = LowLevelFeatures(**SMOKE)
    variants = study._variants(study.sweep.load_sets())
    kinds = set(study._pictures(variants)["kind"])
    assert {name for _, name, _ in variants} - kinds == {
        "levels of Textures",
        "content of Textures",
    }
    monkeypatch.setitem(DATASETS, "digits", hidden["digits"])
    assert study._pictures(variants).empty
    assert SyntheticAugmentation(**SMOKE)._pictures("x", load_images("digits", "test")).empty


def test_synthetic_augmentation_trains_one_flow_per_set() -> None:
    study = SyntheticAugmentation(**SMOKE)
    tables = result_of(study).tables
    variants = list(tables["epochs"]["variant"].unique())
    assert len(variants) == 10
    assert variants[:4] == [
        "real images",
        "25% samples, T 1",
        "50% samples, T 1",
        "100% samples, T 1",
    ]
    assert set(tables["aurocs"]["group_size"]) == {1, 5}
    bits = tables["epochs"].set_index("variant")["bits_per_dim"]
    assert bits.nunique() == len(bits)
