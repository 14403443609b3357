"""Tables show titles and no raw names."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.tables.aurocs import with_intervals
from earlyglow_book.tables.readable import readable

ROWS = pd.DataFrame(
    {
        "detector": ["layer_gradients", "layer_gradients", "likelihood"],
        "objective": ["log_prob", "sum_z", ""],
        "ood": ["kmnist", "tiny_imagenet", "kmnist"],
        "epoch": [0.1, 20.0, 1.0],
        "auroc": [0.5, 0.6, 0.7],
        "low": [0.4, 0.5, 0.6],
        "high": [0.6, 0.7, 0.8],
    }
)


def test_a_detector_and_its_objective_are_one_title() -> None:
    table = with_intervals(ROWS, ["detector", "objective"], ["ood"])
    assert table.index.name == "score"
    assert set(table.index) == {"gradients of log p", "gradients of Σ z", "likelihood"}
    assert table.columns.name == "OOD set"
    assert table.loc["likelihood", "KMNIST"] == "0.700 [0.600, 0.800]"


def test_a_detector_alone_has_its_title() -> None:
    table = with_intervals(ROWS.drop(index=1), ["epoch"], ["detector", "ood"])
    assert list(table.columns.names) == ["detector", "OOD set"]
    assert set(table.columns.get_level_values("detector")) == {"the paper's score", "likelihood"}
    # Neither 0.10 nor 1.00.
    assert list(table.index) == ["0.1", "1"]


def test_stored_columns_have_titles_and_others_stay() -> None:
    table = readable(ROWS.set_index("ood")[["auroc", "low"]])
    assert list(table.columns) == ["AUROC", "low"]
    assert list(table.index) == ["KMNIST", "Tiny-ImageNet", "KMNIST"]


def test_a_dash_stands_for_a_missing_number() -> None:
    stored = pd.DataFrame({"case": ["a", "b"], "floor_ms": [1.5, float("nan")], "images": [1, 2]})
    table = readable(stored.set_index("case"))
    assert table["floor, ms"].tolist() == [1.5, "–"]
    assert table["images"].tolist() == [1, 2]
