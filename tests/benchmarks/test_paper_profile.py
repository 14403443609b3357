"""The script for a GPU, tried at the smoke profile on any machine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from earlyglow_book import results
from earlyglow_book.chapters.readings import Readings

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "paper_profile.py"
SMOKE = ["--profile", "smoke", "--sets", "digits", "--train-images", "800"]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    spec = importlib.util.spec_from_file_location("paper_profile", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_a_second_call_keeps_plan_and_results(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "5"])
    assert first.exit_code == 0, first.output
    monkeypatch.setattr(script, "measured_speed", lambda sweep: script.Speed(0.001, 1e6))
    second = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "0.1"])
    assert "epochs 0, 0.5, 1" in first.output
    assert second.output == first.output
    (folder,) = (tmp_path / "results" / "readings").iterdir()
    table = results.load(folder).tables["readings"]
    assert sorted(table["epoch"].unique()) == [0, 0.5, 1]
    assert "neighbours" in set(table["detector"])


def test_only_the_epochs_that_fit_are_run(script: ModuleType) -> None:
    """320 images an epoch at 32 a second, and five seconds for each score."""
    sweep = Readings("digits", profile="smoke")
    speed = script.Speed(images_per_second=32.0, seconds_per_score=5.0)
    needed = {(0, 0.5): 10 / 2 + 10, (0, 0.5, 1): 10 + 15}
    for epochs, seconds in needed.items():
        assert script.within(sweep, seconds / 0.95 + 0.1, speed).epochs == epochs
        assert script.within(sweep, seconds / 0.95 - 0.1, speed) != epochs
    assert script.within(sweep, 14.0, speed) is None


def test_too_little_time_is_said(script: ModuleType, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(script.main, [*SMOKE, "--minutes", "0.0001"])
    assert outcome.exit_code == 0, outcome.output
    assert "digits-glow-smoke-seed0: no time for its first epoch" in outcome.output
    assert not (tmp_path / "results").exists()
