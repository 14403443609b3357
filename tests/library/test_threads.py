"""Threads follow the work, and are given back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import earlyglow as eg
from earlyglow.threads import threads_for, threads_wanted


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.delenv("EARLYGLOW_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_small_work_takes_one_and_large_all() -> None:
    assert (threads_wanted(64 * 64), threads_wanted(64 * 3072)) == (1, 2)


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_THREADS", "3")
    assert threads_wanted(1) == threads_wanted(10**9) == 3
    for wrong in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("EARLYGLOW_THREADS", wrong)
        with pytest.raises(ValueError, match="EARLYGLOW_THREADS is"):
            threads_wanted(1)


def test_they_are_given_back_also_after_an_error() -> None:
    inside = []
    with pytest.raises(ZeroDivisionError), threads_for(1):
        inside.append(1 // (torch.get_num_threads() - 1))
    assert inside == []
    assert torch.get_num_threads() == 2


def test_training_and_norms_use_and_restore_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    flow = eg.Glow((1, 8, 8), levels=1, steps=1, hidden=4)
    flow.register_forward_pre_hook(lambda module, args: seen.append(torch.get_num_threads()))
    images = eg.load_images("digits", "train", limit=64)
    eg.train(flow, images, eg.TrainingConfig(epochs=(1,), batch_size=32), tmp_path)
    assert set(seen) == {1}
    seen.clear()

    def density(model: eg.Glow, x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return model.log_prob(x)

    x = eg.dequantize(images.images)
    eg.layer_gradient_norms(flow, x, objective=density)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2
