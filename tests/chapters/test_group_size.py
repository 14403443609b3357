"""Groups: mixed ones, separation, and the quoted numbers."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.group_size import (
    GroupSize,
    _of_all_pairs,
    _of_separation,
    mixed_groups,
)
from earlyglow_book.experiment import result_of
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.published_rows import read_published_rows
from tests.chapters.rows import published
from tests.chapters.studies import SMOKE, flow_and_sets, sweep_aurocs


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
    assert read_published_rows("group_size", "mixed", profile="smoke").empty
    rows = read_published_rows("epoch_sweep", "aurocs", profile="smoke")
    assert set(rows["id_dataset"]) == {"digits", "gtsrb"}
    assert rows.columns[:3].tolist() == FLOW


def test_group_size_must_have_been_measured() -> None:
    with pytest.raises(ValueError, match=r"group_size is 3, .* it must be one of 2, 5"):
        GroupSize(**SMOKE, group_size=3)


def test_what_groups_put_right() -> None:
    sizes = {1: 0.4, 5: 0.45, 25: 0.7}, {1: 0.3, 5: 0.6, 25: 0.9}, {1: 0.8, 5: 0.7, 25: 1.0}
    gradients = {
        (own, 0, 1.0, size): auroc
        for own, by_size in zip("abc", sizes, strict=True)
        for size, auroc in by_size.items()
    }
    rows = [published(gradients, "layer_gradients"), published(gradients, "likelihood")]
    found = _of_all_pairs(pd.concat(rows))
    assert (found["cells"], found["upside_down"]) == ("3", "2")
    assert (found["righted_5"], found["righted_25"]) == ("50%", "100%")
    assert found["share_five"] == "66.7%"
    assert found["late_5"].startswith("0.583 [")


def test_deviation_falls_and_shifts_rise_with_the_group() -> None:
    """From single images to the largest groups: the deviation to a quarter, the shifts doubled."""
    config = GroupSize("digits", profile="smoke")
    _, _, last = config.shown_epochs
    rows = [
        (last, 1, "digits", 0.8, 0.01),
        (last, 1, "mnist", 0.8, 0.1),
        (last, 1, "kmnist", 0.8, 0.3),
        (last, 5, "digits", 0.2, 0.09),
        (last, 5, "mnist", 0.2, 0.2),
        (last, 5, "kmnist", 0.2, 0.3),
        (last - 0.1, 5, "mnist", 0.8, 9.0),
    ]
    names = ["epoch", "group_size", "dataset", "deviation", "shift"]
    found = _of_separation(config, pd.DataFrame(rows, columns=names))
    assert found == {"deviation_factor": "4.0", "shift_factors": "1.0 to 2.0"}
