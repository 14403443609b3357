"""The scores of the paper-size flows become AUROCs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from earlyglow_book.chapters.paper_size import PaperSize, tables_of_scores
from earlyglow_book.results import StoreError, find_published


def test_aurocs_are_those_of_held_out_images() -> None:
    generator = np.random.default_rng(0)
    names = ("fit", "eval", "svhn")
    scores = pd.DataFrame(
        [
            {"id_dataset": "gtsrb", "passes": 3.0, "detector": detector, "dataset": name}
            | {"item": item, "score": generator.standard_normal() + shift}
            for detector in ("typicality", "log_prob.b5.indep", "sum_z.b1.knn5")
            for name, shift in zip(names, (-9, 0, 1), strict=True)
            for item in range(80)
        ]
    )
    bits = pd.DataFrame(
        [
            {"id_dataset": "gtsrb", "passes": 3.0, "images_seen": 24000, "dataset": name}
            | {"bits_per_dim": 4.0, "tensors": 1}
            for name in names
        ]
    )
    table = tables_of_scores(scores, bits)["readings"].set_index("detector")
    assert set(table.index) == {"typicality", "layer_gradients", "neighbours"}
    assert table.loc["layer_gradients", ["objective", "group_size"]].tolist() == ["log_prob", 5]
    assert (table["images"] == 24000).all()
    part = scores[(scores["detector"] == "sum_z.b1.knn5") & (scores["dataset"] != "fit")]
    expected = roc_auc_score(part["dataset"] == "svhn", part["score"])
    assert table.loc["neighbours", "auroc"] == pytest.approx(expected)


def test_without_scores_it_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="measured once on a GPU"):
        PaperSize().compute(tmp_path)


def test_what_is_published_says_how_it_was_made() -> None:
    manifest = find_published(PaperSize().inputs_on_trust()).manifest
    assert "measured once on one H100" in manifest["facts"]["how"]
