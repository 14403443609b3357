"""Images changed in their textures or their content."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.low_level_features import LowLevelFeatures, words
from earlyglow_book.experiment import result_of
from tests.chapters.studies import SMOKE


def test_low_level_features_has_a_control_of_fresh_images() -> None:
    study = LowLevelFeatures(**SMOKE)
    tables = result_of(study).tables
    control = tables["aurocs"].query("ood == 'unchanged' and detector == 'layer_gradients'")
    assert ((control["low"] <= 0.5) & (control["high"] >= 0.5)).all()
    changed = {"low level", "content", "levels swapped", "content swapped"}
    assert set(tables["aurocs"]["kind"]) == {"neither", "swap alone"} | changed
    assert "red and blue swapped" not in set(tables["aurocs"]["ood"])
    fresh, sets = study.run.load_fresh_id_images(500).images, study.run.load_sets()
    scored = sets["digits"].images
    assert not any((image == scored).flatten(1).all(1).any() for image in fresh[:20])
    (swapped,) = (x for kind, _, x in study._variants(sets) if kind == "swap alone")
    levels = (x.flatten(1).sort(1).values for x in (swapped, sets["fit"].images))
    assert torch.equal(*levels)


def test_images_that_may_not_be_shown_are_in_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {
        name: replace(eg.DATASETS[name], may_be_shown=False) for name in ("digits", "textures")
    }
    monkeypatch.setitem(eg.DATASETS, "textures", hidden["textures"])
    study = LowLevelFeatures(**SMOKE)
    variants = study._variants(study.run.load_sets())
    kinds = set(study._pictures(variants)["kind"])
    assert {name for _, name, _ in variants} - kinds == {
        "levels of Textures",
        "content of Textures",
    }
    monkeypatch.setitem(eg.DATASETS, "digits", hidden["digits"])
    assert study._pictures(variants).empty


@pytest.mark.parametrize(
    ("low", "content", "sentence"),
    [
        (0.8, 0.6, "changes of low-level statistics are noticed better"),
        (0.6, 0.2, "changes of content are noticed better"),
        (0.6, 0.405, "neither kind of change is noticed before the other"),
    ],
)
def test_which_kind_is_noticed_first(low: float, content: float, sentence: str) -> None:
    config = LowLevelFeatures("digits", profile="smoke")
    early, _, last = config.shown_epochs
    rows = [("unchanged", "neither", 0.5), ("blurred", "low level", low)]
    rows += [("upside down", "content", content), ("shuffled patches", "content", content)]
    rows += [("levels of other Digits", "swap alone", 0.75)]
    table = pd.DataFrame(
        [
            {"ood": ood, "kind": kind, "auroc": a, "low": a, "high": a, "epoch": epoch}
            for epoch in (early, last)
            for ood, kind, a in rows
        ]
    )
    found = words(config, table)
    assert found["first"] == sentence
    assert found["swap"] == "0.750 [0.750, 0.750]"
    assert found["low_early"] == f"{abs(low - 0.5):.3f}"
