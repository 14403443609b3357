"""What the chapter on maturity says of flows whose bits and AUROCs are known."""

from __future__ import annotations

import pandas as pd
import pytest

from earlyglow_book.chapters.maturity import (
    Maturity,
    at_early_and_late,
    change_by_state,
    enough_table,
    read_sizes,
    size_table,
    words,
)
from earlyglow_book.tables.published_rows import read_published_rows

FLOW = {"id_dataset": "celeba", "model": "glow", "seed": 0}
AUROCS = {
    "layer_gradients": {0.0: 0.5, 10.0: 0.8, 100.0: 0.84, 200.0: 0.9},
    "neighbours": {0.0: 0.5, 10.0: 0.9, 100.0: 0.93, 200.0: 0.94},
    "no_flow": dict.fromkeys((0.0, 10.0, 100.0, 200.0), 0.85),
}
BITS = {0.0: 9.0, 10.0: 3.8, 100.0: 3.4, 200.0: 3.3}


def readings() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"epoch": epoch, "detector": name, "ood": ood, "auroc": auroc + shift, **FLOW}
            | {"group_size": size, "objective": "" if name == "no_flow" else "log_prob"}
            for name, values in AUROCS.items()
            for epoch, auroc in values.items()
            for ood, shift in (("svhn", 0.02), ("gtsrb", -0.02))
            for size in (1, 5)
        ]
    )


def bits() -> pd.DataFrame:
    rows = [
        {"epoch": epoch, "dataset": name, "bits_per_dim": value + extra, **FLOW}
        for epoch, value in BITS.items()
        for name, extra in (("celeba", 0.0), ("svhn", 1.0))
    ]
    return pd.DataFrame(rows)


JUDGED = pd.DataFrame(
    [{**FLOW, "late": 200.0, "bits": 3.3, "doubling": -0.1, "cooling": -0.03, "state": "learning"}]
)


def test_early_and_late_are_of_the_id_images() -> None:
    rows = readings()
    found = at_early_and_late(rows.assign(images=rows["epoch"] * 5000), bits()).set_index("when")
    assert found.loc["early", ["images", "bits"]].tolist() == [50_000, 3.8]
    assert found.loc["late", ["images", "bits"]].tolist() == [1_000_000, 3.3]
    assert found.loc["early", "layer_gradients"] == pytest.approx(0.8)
    assert found.loc["late", "neighbours"] == pytest.approx(0.94)


def test_the_table_of_sizes_has_each_flow_at_its_early_and_last_epoch() -> None:
    rows = readings()
    sized = at_early_and_late(rows.assign(images=rows["epoch"] * 5000), bits())
    table = size_table({"bare": sized, "full": sized.assign(dimensions=[7.04, 8.25])})
    assert table.loc["full", "dimensions"].tolist() == ["7.0 → 8.2"]
    assert table.loc["bare", "dimensions"].tolist() == ["–"]
    assert table["bits"].tolist() == ["3.80 → 3.30"] * 2
    assert table["5 nearest neighbours"].tolist() == ["0.900 → 0.940"] * 2


def test_the_effective_dimensions_are_those_of_the_published_tables() -> None:
    """CelebA at the paper's size, against the table as it is stored."""
    found = read_sizes(Maturity())["paper's Glow"].set_index("when")
    stored = read_published_rows("readings", "id_only", "paper_short")
    ratios = stored[stored["statistic"] == "participation_ratio"].set_index("epoch")["value"]
    for row in found.itertuples():
        assert row.dimensions == ratios[row.epoch]


def test_enough_needs_both_the_late_flow_and_the_control() -> None:
    """The paper's first CelebA epoch has 3.824 bits, which epoch 10 comes nearest to."""
    found = enough_table(readings(), bits(), JUDGED)["enough"]
    assert found["CelebA", "the paper's score"] == "no"
    assert found["CelebA", "5 nearest neighbours"] == "no"
    near = readings()
    near.loc[(near["detector"] == "neighbours") & (near["epoch"] == 10), "auroc"] += 0.025
    assert enough_table(near, bits(), JUDGED)["enough"]["CelebA", "5 nearest neighbours"] == "yes"
    near["auroc"] = near["auroc"].where(near["detector"] != "no_flow", 0.99)
    assert enough_table(near, bits(), JUDGED)["enough"]["CelebA", "5 nearest neighbours"] == "no"


def test_changes_and_words() -> None:
    table = change_by_state(readings(), JUDGED, 10.0)
    row = table.loc[(1, "the paper's score", "all")]
    assert row["late − early"] == "0.100"
    found = words(Maturity(), JUDGED.assign(state="still learning"), readings())
    assert (found["learning"], found["converged"], found["flows"]) == ("1", "0", "1")
    assert found["layer_gradients_change"] == "0.100"
    assert found["groups_neighbours_early"] == "0.900"
