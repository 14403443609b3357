"""The Snakefile, run for real: its dry run, and a smoke sweep equal to one process's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.experiment import result_of
from earlyglow_book.jobs import planned
from earlyglow_book.published import published_experiments

ROOT = Path(__file__).parents[2]
SNAKEMAKE = ROOT / "workflow" / ".venv" / "bin" / "snakemake"
SMALL = ["--config", "profile=smoke", "id_datasets=digits", "seeds=5", f"python={sys.executable}"]
pytestmark = pytest.mark.xdist_group("workflow")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Folders of this test, and the code under test."""
    folders = {f"EARLYGLOW_{name}": str(tmp_path / name.lower()) for name in ("CACHE", "RESULTS")}
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **folders, "PYTHONPATH": path}


def snakemake(folder: Path, environment: dict[str, str], *options: str) -> str:
    command = [str(SNAKEMAKE), "--snakefile", str(ROOT / "workflow" / "Snakefile"), *options]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_dry_run_lists_what_is_left(tmp_path: Path, environment: dict[str, str]) -> None:
    said = snakemake(tmp_path, environment, "--cores", "1", "--dry-run", *SMALL)
    assert "0 results are stored, 1 are left" in said
    for rule in ("train", "measure", "table"):
        assert f"rule {rule}:" in said
    assert not (tmp_path / "results").exists()


def test_a_smoke_run_is_that_of_one_process(tmp_path: Path, environment: dict[str, str]) -> None:
    """The same key, and every table's file the same to the last byte."""
    profile = ["--workflow-profile", str(ROOT / "workflow/profile/local")]
    snakemake(tmp_path, environment, *profile, "--cores", "2", *SMALL)
    (manifest,) = (tmp_path / "results").glob("*/*/manifest.json")
    spread = json.loads(manifest.read_text())
    alone = result_of(EpochSweep("digits", profile="smoke", seed=5)).manifest
    assert spread["key"] == alone["key"]
    assert spread["tables"] == alone["tables"]
    assert len(spread["tables"]) > 4


def test_the_plan_has_what_the_sweep_has() -> None:
    """Every result of the book is stored, left, or without images; each flow is trained once."""
    plan = planned(published_experiments())
    counted = [len(plan[name]) for name in ("stored", "table", "without_images")]
    assert sum(counted) == len(published_experiments())
    for job in plan["table"].values():
        if job["after"]:
            assert plan["measure"][job["after"]]["after"] in plan["train"]
