"""Differences between the paper and the released code, and its table beside ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.released_code import (
    ReleasedCode,
    _modules,
    beside_released,
    released_aurocs,
    words,
)
from earlyglow_book.experiment import result_of
from tests.chapters.studies import SMOKE, flow_and_sets, sweep_aurocs


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


def test_changes_that_cancel_in_the_mean_show_in_their_range_and_size() -> None:
    names = ["gradient of Σ z", "guards of 1e-10", "fit set holds the scored images"]
    names += ["one Gaussian per module", "these three together", "released initialisation"]
    names += ["no dequantisation"]
    effects = pd.DataFrame(
        [
            {"id_dataset": own, "ood": "x", "model": "glow", "seed": 0, "epoch": epoch}
            | {"variant": name, "group_size": 1, "change": change if epoch == 2 else 9.0}
            for name in names
            for epoch in (1.0, 2.0)
            for own, change in (("a", 0.2), ("b", -0.2))
        ]
    )
    beside = beside_released(pd.DataFrame(_like_the_released_table()))
    found = words(effects, beside)
    assert found["effect_sum_z"].startswith("0.000 [")
    assert (found["range_sum_z"], found["size_sum_z"]) == ("-0.200 to +0.200", "0.200")
    assert (found["agreement_1"], found["agreement_5"]) == ("1.00", "1.00")
    assert found["compared"] == "20"


def _like_the_released_table() -> dict[str, object]:
    """Sweeps that came out as the released code's after one epoch, halved."""
    released = released_aurocs().query("epoch == 1")
    columns = {
        name: released[name].tolist() for name in ("id_dataset", "ood", "group_size", "epoch")
    }
    return columns | {
        "auroc": (released["auroc"] / 2).tolist(),
        "detector": "layer_gradients",
        "objective": "sum_z",
    }


def test_released_table_has_the_means_that_its_source_gives() -> None:
    means = released_aurocs().groupby(["group_size", "epoch"])["auroc"].agg(["mean", "count"])
    assert means["count"].tolist() == [20] * 4
    assert means["mean"].round(3).tolist() == [0.772, 0.818, 0.943, 0.970]
