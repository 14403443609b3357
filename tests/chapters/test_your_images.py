"""Folders in the place of named sets: parameters, keys, and a run from beginning to end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.chapters.your_images import YourImages, draw_pictures
from earlyglow_book.experiment import result_of
from earlyglow_book.image_sets import usual_ood
from earlyglow_book.parameters import ParameterError
from earlyglow_book.titles import file_name, title_of


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARLYGLOW_RESULTS", raising=False)
    first, second = draw_pictures(tmp_path / "drawn here", 130)
    return f"folder:{first}?size=8", f"folder:{second}?size=8"


def test_a_sweep_of_folders_is_found_again_wherever_they_lie(
    sets: tuple[str, str], tmp_path: Path
) -> None:
    own, ood = sets
    result = result_of(EpochSweep(own, (ood,), (0, 0.5), profile="smoke", images=30))
    assert set(result.tables["aurocs"]["ood"]) == {ood}
    shutil.copytree(tmp_path / "drawn here", tmp_path / "moved")
    moved = tuple(name.replace("drawn here", "moved") for name in sets)
    again = EpochSweep(moved[0], (moved[1],), (0, 0.5), profile="smoke", images=30)
    assert again.inputs().key() == result.key
    assert str(tmp_path) not in str(again.inputs())
    assert result.folder.name.startswith("discs-glow-smoke")


def test_roles_are_part_of_the_key(sets: tuple[str, str]) -> None:
    own, ood = sets
    sweeps = [
        EpochSweep(own, (ood,), profile="smoke", images=30),
        EpochSweep(ood, (own,), profile="smoke", images=30),
        EpochSweep("textures", (own,), profile="smoke"),
        EpochSweep("textures", (ood,), profile="smoke"),
    ]
    assert len({sweep.inputs().key() for sweep in sweeps}) == 4


def test_names_for_readers_and_files(sets: tuple[str, str]) -> None:
    assert title_of(sets[0]) == "discs"
    assert file_name(sets[1]) == "stripes"
    assert file_name("folder:/tmp") == "tmp"
    assert usual_ood(sets[0]) == ("textures", "digits")


def test_one_of_two_sets_is_refused(sets: tuple[str, str]) -> None:
    with pytest.raises(ParameterError, match="one of id_dataset and ood_dataset is empty"):
        YourImages(sets[0], "")
    with pytest.raises(ParameterError, match="there is no folder or file '/no/where'"):
        YourImages("folder:/no/where", sets[0])
    with pytest.raises(ParameterError, match="there is no folder or file '/no/where'"):
        EpochSweep("folder:/no/where")
