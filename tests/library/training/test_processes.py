"""One flow trained and measured by two processes, against one that does it alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import earlyglow as eg
from earlyglow.processes import Processes
from earlyglow.training import fitting
from earlyglow.training.checkpoints import load_tensors
from tests.library.training import share_a_training as script


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> eg.training.TrainingRun:
    """The run of this one process, with the loss of every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "_CHECK_STEPS", 1)
        images = eg.load_images("digits", "train")
        return eg.train(script.build(), images, script.CONFIG, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two processes by torchrun, of which one is killed; both are started again."""
    folder = tmp_path_factory.mktemp("two")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    restart = ["--max-restarts=1", "--monitor-interval=0.1"]
    command = [sys.executable, *launcher, *restart, script.__file__, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "killed").is_file()
    return folder


def test_every_loss_is_that_of_one_process(alone: eg.training.TrainingRun, folder: Path) -> None:
    """Those before the kill and those after it."""
    _, facts = load_tensors(folder / "state.safetensors")
    assert [record["step"] for record in facts["log"]] == list(range(1, 21))
    one, two = (
        torch.tensor([record["bits_per_dim"] for record in log])
        for log in (alone.log, facts["log"])
    )
    assert one.std() > 1e-2
    assert (one - two).abs().max() < 1e-5


def test_the_weights_are_those_of_one_process(alone: eg.training.TrainingRun, folder: Path) -> None:
    begun, _ = load_tensors(folder / "epoch-0.safetensors")
    for epoch, path in alone.checkpoints.items():
        expected, _ = load_tensors(path)
        found, _ = load_tensors(folder / path.name)
        for name, value in expected.items():
            # Initialised by one process, on all images.
            limit = 1e-4 * (value.double() - begun[name].double()).norm() if epoch else 0
            assert (found[name].double() - value.double()).norm() <= limit


def test_norms_and_densities_are_those_of_one_process(folder: Path) -> None:
    """In float64, under the weights that both trained; parts begin where chunks do."""
    flow = script.build()
    eg.training.load_weights(flow, folder / "epoch-1.safetensors")
    log_prob, norms = script.measure(flow.double(), script.measured_images())
    for rank in (0, 1):
        shared_log_prob, shared_norms = torch.load(folder / f"measured-{rank}-of-2.pt")
        assert torch.equal(shared_norms, norms)
        assert ((shared_log_prob - log_prob) / log_prob).abs().max() < 1e-12


def test_one_process_goes_on_where_two_stopped(folder: Path) -> None:
    images, longer = eg.load_images("digits", "train"), replace(script.CONFIG, epochs=(1, 1.5))
    done = eg.train(script.build(), images, longer, folder)
    assert done.log[-1]["step"] == 30
    assert done.log[-1]["bits_per_dim"] < done.log[0]["bits_per_dim"]


class WithAnother(Processes):
    """A process beside which another one was interrupted."""

    def collect(self, value: bool) -> list[bool]:
        return [value, True]


def test_all_stop_where_one_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that went on would wait for the other for ever."""
    monkeypatch.setattr(fitting, "joined", WithAnother)
    monkeypatch.setattr(fitting, "_CHECK_STEPS", 3)
    images = eg.load_images("digits", "train")
    with pytest.raises(KeyboardInterrupt, match="step 3 of 20"):
        eg.train(script.build(), images, script.CONFIG, tmp_path)
    _, facts = load_tensors(tmp_path / "state.safetensors")
    assert facts["step"] == 3


@pytest.mark.parametrize("length", [0, 7, 60, 203])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_are_the_whole(length: int, count: int) -> None:
    """Each row once and in order, and whole groups but for the last part."""
    parts = [range(length)[Processes(rank, count).part(length, 10)] for rank in range(count)]
    assert [row for part in parts for row in part] == list(range(length))
    assert all(len(part) % 10 == 0 for part in parts[:-1])
    assert length < 10 or len(parts[-1]) >= 10


def test_more_processes_than_images_in_a_batch_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "joined", lambda: Processes(0, 3))
    images, config = eg.load_images("digits", "train"), eg.TrainingConfig((1,), batch_size=2)
    with pytest.raises(ValueError, match="3 processes share a batch of 2 images; start at most 2"):
        eg.train(script.build(), images, config, tmp_path)
