"""Flows that are trained on samples or on altered images."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.synthetic_augmentation import (
    SyntheticAugmentation,
    copies,
    mixed,
    random_pixels,
    words,
)
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs.measuring import sampled
from tests.chapters.rows import auroc_rows
from tests.chapters.studies import SMOKE


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


def test_images_that_may_not_be_shown_are_in_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(eg.DATASETS, "digits", replace(eg.DATASETS["digits"], may_be_shown=False))
    assert SyntheticAugmentation(**SMOKE)._pictures("x", eg.load_images("digits", "test")).empty


def test_the_best_training_set_is_not_the_real_one() -> None:
    config = SyntheticAugmentation("digits", profile="smoke")
    last = config.training.epochs[-1]
    values = {"real images": (0.9, 0.4), "samples": (0.3, 0.6), "pixels": (0.5, 0.5)}
    table = pd.concat(
        auroc_rows({("mnist", last): a, ("kmnist", last): b}, variant=name)
        for name, (a, b) in values.items()
    )
    fives = table.assign(auroc=table["auroc"] + 0.1, group_size=5)
    found = words(config, table, fives)
    assert found["hardest_real_five"].startswith("0.500 [")
    assert (found["best_five"], found["hardest_best_five"][:5]) == ("samples", "0.700")
    assert (found["hardest"], found["hardest_real"]) == ("KMNIST", "0.400 [0.300, 0.500]")
    assert (found["best"], found["hardest_best"]) == ("samples", "0.600 [0.500, 0.700]")
    assert (found["variants"], found["mean_best_name"]) == ("2", "pixels")


def test_mixed_sets_have_their_share_of_samples() -> None:
    real, samples = torch.zeros(10, 1, 2, 2), torch.ones(10, 1, 2, 2)
    for share, count in ((0.25, 2), (0.5, 5), (1.0, 10)):
        images = mixed(real, samples, share)
        assert len(images) == 10
        assert images[:, 0, 0, 0].sum() == count


def test_random_pixels_replace_whole_pixels_at_the_rate() -> None:
    images = torch.full((50, 3, 32, 32), 7, dtype=torch.uint8)
    changed = random_pixels(images, 0.2, seed=1)
    moved = (changed != 7).any(1).float().mean().item()
    assert moved == pytest.approx(0.2, abs=0.01)
    assert torch.equal(changed, random_pixels(images, 0.2, seed=1))


def test_copies_are_four_and_depend_on_the_seed() -> None:
    images = eg.load_images("textures", limit=3).images
    altered = copies(images[:3], seed=1)
    assert altered.shape == (12, 3, 32, 32)
    assert altered.dtype == torch.uint8
    assert torch.equal(altered, copies(images[:3], seed=1))
    assert not torch.equal(altered, copies(images[:3], seed=2))


def test_samples_do_not_touch_the_global_generator() -> None:
    flow = eg.Glow(image_shape=(1, 8, 8), levels=1, steps=1, hidden=4)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = sampled(flow, 7, 1.0, seed=2)
    assert torch.equal(torch.rand(3), expected)
    assert drawn.shape == (7, 1, 8, 8)
    assert drawn.dtype == torch.uint8
    assert torch.equal(drawn, sampled(flow, 7, 1.0, seed=2))
