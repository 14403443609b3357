"""The script for a GPU, tried at the smoke profile on any machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from earlyglow_book import results
from earlyglow_book.chapters.epoch_sweep import EpochSweep

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "paper_profile.py"
SMOKE = ["--profile", "smoke", "--sets", "digits", "--images", "40"]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    spec = importlib.util.spec_from_file_location("paper_profile", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_results_are_stored(script: ModuleType, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "5"])
    assert outcome.exit_code == 0, outcome.output
    (folder,) = (tmp_path / "results" / "epoch_sweep").iterdir()
    table = results.load(folder).tables["aurocs"]
    assert table.query("group_size == 1")["n_id"].unique().tolist() == [40]


def test_only_the_epochs_that_fit_are_run(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """320 images an epoch at 32 a second and seven tenths of the time: ten seconds an epoch."""
    monkeypatch.setattr(script, "images_per_second", lambda sweep: 32.0)
    sweep = EpochSweep("digits", profile="smoke")
    assert script.within(sweep, 15).epochs == (0, 0.5, 1)
    assert script.within(sweep, 10).epochs == (0, 0.5)
    assert script.within(sweep, 5) is None


def test_a_second_call_keeps_the_plan(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "5"])
    monkeypatch.setattr(script, "images_per_second", lambda sweep: 0.001)
    second = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "0.1"])
    assert "epochs 0, 0.5, 1" in first.output
    assert "epochs 0, 0.5, 1" in second.output
    assert len(list((tmp_path / "results" / "epoch_sweep").iterdir())) == 1


def test_too_little_time_is_said(script: ModuleType, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "0.0001"])
    assert outcome.exit_code == 0, outcome.output
    assert "digits-glow-smoke-seed0: no time for its first epoch" in outcome.output
    assert not (tmp_path / "results").exists()
