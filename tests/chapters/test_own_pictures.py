"""Pictures of the user's own in chapters that have something particular to do with a set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import earlyglow as eg
from earlyglow_book.chapters import explorer
from earlyglow_book.chapters.explorer import Explorer
from earlyglow_book.chapters.readings import Readings
from earlyglow_book.image_sets import USUAL_OOD_OF_CLASSIFIERS, require_comparable


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set of 180 pictures, which is fewer than any set of the book has."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    folder, generator = tmp_path / "my pictures", np.random.default_rng(0)
    folder.mkdir()
    for i in range(180):
        pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return f"folder:{folder}?size=8&grey"


def test_a_small_set_is_divided_for_its_readings(name: str) -> None:
    chapter = Readings(name, profile="smoke")
    sets = chapter.sets_to_measure()
    training = len(eg.load_images(name, "train"))
    assert len(sets["training images"]) == training // 2
    assert all(len(images) for images in sets.values())


def test_a_picture_set_may_be_ood_for_a_classifier(name: str) -> None:
    known = (*eg.DATASETS, "uniform_noise")
    require_comparable("digits", (name, "uniform_noise"), USUAL_OOD_OF_CLASSIFIERS, known)
    with pytest.raises(ValueError, match="there is no data set 'noise'"):
        require_comparable("digits", (name, "noise"), USUAL_OOD_OF_CLASSIFIERS, known)


def test_the_explorer_s_heat_maps_know_own_sets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    monkeypatch.setattr(explorer.heatmaps, "auroc_heatmaps", shown.update)
    monkeypatch.setattr(explorer.aurocs, "select", lambda rows, *_: rows)
    chapter = Explorer(name, profile="smoke")
    first, last = explorer.early_and_late(chapter)
    rows = pd.DataFrame(
        {"id_dataset": name, "ood": "digits", "auroc": 0.5, "epoch": [first, last], "model": "glow"}
    )
    explorer.all_pairs(chapter, rows)
    assert all(title.startswith("grey") for title in shown)
    assert shown
