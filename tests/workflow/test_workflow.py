"""The Snakefile, run for real: its dry run, and a smoke sweep equal to one process's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from earlyglow_book import experiment, jobs
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.cli import main
from earlyglow_book.experiment import result_of
from earlyglow_book.jobs import planned
from earlyglow_book.published import published_experiments
from earlyglow_book.registry import experiment_classes

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
    targets = ["all", "notebooks"]
    said = snakemake(tmp_path, environment, "--cores", "1", "--dry-run", *targets, *SMALL)
    assert "0 results are stored, 1 are left" in said
    for rule in ("train", "measure", "table", "notebook"):
        assert said.count(f"rule {rule}:") == 1
    assert not (tmp_path / "results").exists()


def test_a_smoke_run_is_that_of_one_process(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same key, and every table's file the same to the last byte; a notebook is left to run."""
    profile = ["--workflow-profile", str(ROOT / "workflow/profile/local")]
    snakemake(tmp_path, environment, *profile, "--cores", "2", *SMALL)
    (manifest,) = (tmp_path / "results").glob("*/*/manifest.json")
    spread = json.loads(manifest.read_text())
    sweep = EpochSweep("digits", profile="smoke", seed=5)
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "alone"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "alone"))
    alone = result_of(sweep).manifest
    assert spread["key"] == alone["key"]
    assert spread["tables"] == alone["tables"]
    assert len(spread["tables"]) > 4
    plan, name = planned([sweep]), f"epoch_sweep/{manifest.parent.name}"
    assert plan["stored"] == [name]
    assert not plan["table"]
    assert plan["notebook"][name]["after"] == ""


def test_the_plan_is_that_of_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With images that nobody has measured: the same is stored, and the same is left."""
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path))
    for module in (experiment, jobs):
        monkeypatch.setattr(module, "find_fingerprint", lambda name, split: f"{name}-{split}-new")
    listed = CliRunner().invoke(main, ["sweep", "--list"]).output.splitlines()
    left = [line.removeprefix("left  ") for line in listed if line.startswith("left  ")]
    assert len(left) > 150
    plan, classes = planned(published_experiments()), experiment_classes()
    assert len(plan["stored"]) == sum(line.startswith("done  ") for line in listed)
    made = [
        classes[job["experiment"]](**json.loads(job["parameters"]))
        for job in plan["table"].values()
    ]
    assert sorted(f"{one.name}  {one.label()}" for one in made) == sorted(left)
    assert {repr(one) for one in made} <= {repr(one) for one in published_experiments()}


def test_a_flow_is_trained_once_and_before_a_longer_one_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two chapters on one flow, and a third that goes on to a further epoch."""
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path))
    short = [
        EpochSweep("digits", profile="smoke", seed=5, detector=name)
        for name in ("layer_gradients", "neighbours")
    ]
    longer = EpochSweep("digits", profile="smoke", seed=5, epochs=(0, 2))
    plan = planned([longer, *short])
    assert len(plan["table"]) == 3
    first, second = sorted(plan["train"], key=lambda name: plan["train"][name]["last"])
    assert [plan["train"][name]["last"] for name in (first, second)] == [1, 2]
    assert [plan["train"][name]["after"] for name in (first, second)] == ["", first]
    assert sorted(job["after"] for job in plan["measure"].values()) == sorted([first, second])
    assert {job["after"] for job in plan["table"].values()} == set(plan["measure"])


def test_what_a_job_asks_for_grows_with_its_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU for bf16 alone, and hours and gigabytes for the paper's size."""
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path))
    sizes = ("smoke", "classroom", "paper")
    plans = [planned([EpochSweep("digits", profile=size, seed=5)]) for size in sizes]  # type: ignore[arg-type]
    ((_, smoke),), ((_, classroom),), ((_, paper),) = (plan["train"].items() for plan in plans)
    assert [job["gpu"] for job in (smoke, classroom, paper)] == [0, 0, 1]
    assert smoke["minutes"] < classroom["minutes"] < paper["minutes"]
    assert classroom["megabytes"] < 4000 < paper["megabytes"] < 32000
