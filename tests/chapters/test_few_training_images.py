"""Flows trained on a part of their images: the tables against the detectors, and the words."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.training import load_weights
from earlyglow_book.chapters.few_training_images import (
    FewTrainingImages,
    mean_aurocs,
    overfitting,
    words,
)
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs.measuring import noisy_pixels

FEW = FewTrainingImages("textures", profile="smoke", train_images=100, epochs=(0, 1))


def test_the_flow_sees_so_many_images_and_no_more() -> None:
    assert len(FEW.run.training_images()) == 100
    tables = result_of(FEW).tables
    whole = FewTrainingImages("textures", profile="smoke", train_images=0, epochs=(0, 1))
    assert whole.inputs().key() != FEW.inputs().key()
    counts = tables["bits"].set_index(["dataset", "epoch"])["images"]
    assert counts["training images", 1.0] == 100


def test_rows_against_the_detector() -> None:
    sets = FEW.run.load_sets()
    flow = FEW.run.spec.build(0)
    load_weights(flow, FEW.run.train(cache_folder()).checkpoints[1])
    detector = eg.LayerGradientDetector(flow.eval(), 5).fit(noisy_pixels(sets["fit"], 0))
    own, ood = (detector.predict(noisy_pixels(sets[name], 0)) for name in ("textures", "digits"))
    rows = result_of(FEW).tables["readings"]
    row = rows.query("detector == 'layer_gradients' and group_size == 5 and epoch == 1")
    assert row["auroc"].item() == pytest.approx(eg.auroc(own, ood), abs=2e-3)
    bits = result_of(FEW).tables["bits"].set_index(["dataset", "epoch"])["bits_per_dim"]
    with torch.no_grad():
        values = eg.bits_per_dim(flow.log_prob(noisy_pixels(sets["textures"], 0)), flow.dims)
    assert bits["textures", 1.0] == pytest.approx(values.mean().item(), rel=1e-4)


def test_words_from_made_rows() -> None:
    """Each AUROC grows by .1 from few to many images, and falls by .05 from early to late."""
    names = ("a", "b", "c", "d")
    kinds = {"layer_gradients": 0.5, "neighbours": 0.6, "likelihood": 0.4, "no_flow": 0.8}
    rows = pd.DataFrame(
        [
            {
                "detector": kind,
                "group_size": 1,
                "id_dataset": i,
                "ood": o,
                "train_images": count,
                "epoch": epoch,
                "auroc": base + 0.1 * (count == 8000) - 0.05 * (epoch == 20),
            }
            for kind, base in kinds.items()
            for i in names
            for o in names
            if i != o
            for count in (250, 8000)
            for epoch in (1, 20)
        ]
    )
    bits = pd.DataFrame(
        [
            {"id_dataset": i, "train_images": n, "epoch": e, "dataset": d, "bits_per_dim": value}
            for i in names
            for n in (250, 8000)
            for e in (1, 20)
            for d, value in ((i, 3.0 + 500 / n), ("training images", 3.0))
        ]
    )
    found = words(rows, bits)
    assert found["cost_neighbours"] == "+0.100"
    assert found["later_layer_gradients_few"] == "-0.050"
    assert found["neighbours_few"] == "0.550"
    assert (found["gap_few"], found["gap_many"]) == ("2.00", "0.06")
    assert overfitting(bits).loc[("a", 250), 20] == pytest.approx(2.0)
    means = mean_aurocs(rows).set_index(["id_dataset", "train_images", "epoch", "detector"])["mean"]
    assert means["a", 8000, 20, "neighbours"] == pytest.approx(0.65)
