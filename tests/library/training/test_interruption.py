"""Ctrl-C in the middle of a training, as a real signal to a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

import earlyglow as eg
from earlyglow.training.checkpoints import load_tensors

PROGRAM = """
import itertools, sys, torch, earlyglow as eg
from torch.optim.optimizer import register_optimizer_step_post_hook
steps = itertools.count(1)
register_optimizer_step_post_hook(lambda *_: print("step", next(steps), flush=True))
torch.manual_seed(0)
flow = eg.Glow((1, 8, 8), levels=1, steps=1, hidden=4)
config = eg.TrainingConfig(epochs=(20,), batch_size=16, learning_rate=1e-3)
try:
    eg.train(flow, eg.load_images("digits", "train", limit=400), config, sys.argv[1])
except KeyboardInterrupt as stopped:
    print(stopped, flush=True)
    sys.exit(130)
"""


def started(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "EARLYGLOW_PROGRESS": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_the_state_is_saved_and_the_step_said(tmp_path: Path) -> None:
    process = started(tmp_path / "stopped")
    state = tmp_path / "stopped" / "state.safetensors"
    assert process.stdout is not None
    assert "step 40\n" in iter(process.stdout.readline, "")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    kept = int(load_tensors(state)[1]["step"])  # type: ignore[call-overload]
    assert 0 < kept < 500
    assert f"step {kept} of 500 of the training is kept" in said

    for name in ("stopped", "whole"):
        torch.manual_seed(0)
        flow = eg.Glow((1, 8, 8), levels=1, steps=1, hidden=4)
        config = eg.TrainingConfig(epochs=(20,), batch_size=16, learning_rate=1e-3)
        eg.train(flow, eg.load_images("digits", "train", limit=400), config, tmp_path / name)
    ends = [load_tensors(tmp_path / name / "epoch-20.safetensors") for name in ("stopped", "whole")]
    for name, value in ends[0][0].items():
        assert torch.equal(value, ends[1][0][name])
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("stopped", "whole")]
    assert logs[0] == logs[1]


def test_the_handler_is_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    flow = eg.Glow((1, 8, 8), levels=1, steps=1, hidden=4)
    config = eg.TrainingConfig(epochs=(0.1,), batch_size=16)
    eg.train(flow, eg.load_images("digits", "train", limit=400), config, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before
