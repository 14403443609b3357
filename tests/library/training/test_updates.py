"""The steps for a GPU do what the plain ones do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from earlyglow.datasets import load_images
from earlyglow.flows import Glow
from earlyglow.training import TrainingConfig, train
from earlyglow.training import updates as updates_module
from earlyglow.training.batches import Batches
from earlyglow.training.updates import (
    CapturedStep,
    PlainUpdate,
    StackedUpdate,
    Update,
    choose_update,
)

CONFIG = TrainingConfig(epochs=(1,), batch_size=16, learning_rate=2e-3, augmentation=("flip",))
IMAGES = load_images("textures", "train", limit=64).images


def initialised() -> Glow:
    """In float64: rounding alone parts two runs in float32 within a few steps."""
    torch.manual_seed(0)
    flow = Glow((3, 32, 32), levels=3, steps=2, hidden=16).double().train()
    with torch.no_grad():
        flow(Batches(CONFIG, IMAGES, 1)[0].double())
    return flow


def losses(update: Update, steps: range) -> Tensor:
    batches = Batches(CONFIG, IMAGES, 4)
    values = []
    for step in steps:
        update.set_learning_rate(2e-3 * (step + 1) / 20)
        values.append(update(batches[step].double()))
    return torch.stack(values)


def test_twenty_stacked_steps_are_twenty_plain_ones() -> None:
    one, other = initialised(), initialised()
    stacked = StackedUpdate(other, CONFIG, compiled=False)
    expected, found = losses(PlainUpdate(one, CONFIG), range(20)), losses(stacked, range(20))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0.0)
    stacked.finish()
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert its.untyped_storage().nbytes() == its.nbytes, "memory of its own again"
        torch.testing.assert_close(its, mine, rtol=1e-3, atol=1e-4)


def test_a_state_goes_over_from_either_update_to_the_other() -> None:
    """Ten steps by one and ten by the other, both ways, are twenty plain steps."""
    reference = losses(PlainUpdate(initialised(), CONFIG), range(20))
    for first in (PlainUpdate, lambda *args: StackedUpdate(*args, compiled=False)):
        flow = initialised()
        before: Update = first(flow, CONFIG)
        losses(before, range(10))
        state = dict(before.state())
        before.finish()
        stacked_was_first = isinstance(before, StackedUpdate)
        after = (
            PlainUpdate(flow, CONFIG)
            if stacked_was_first
            else StackedUpdate(flow, CONFIG, compiled=False)
        )
        after.load_state(state)
        torch.testing.assert_close(losses(after, range(10, 20)), reference[10:], rtol=1e-10, atol=0)


def test_what_cannot_be_captured_is_trained_plainly() -> None:
    """On a machine without a GPU every capture fails: the fallback is the real one."""
    flow, plain = initialised(), initialised()
    batch = Batches(CONFIG, IMAGES, 1)[0]
    before = [parameter.clone() for parameter in flow.parameters()]
    if torch.cuda.is_available():
        pytest.skip("here the capture succeeds")
    with pytest.raises(RuntimeError):
        updates_module._captured(flow, CONFIG, batch, {})
    for mine, was in zip(flow.parameters(), before, strict=True):
        assert torch.equal(mine, was)
        assert mine.untyped_storage().nbytes() == mine.nbytes
    update, step_on = choose_update(plain, CONFIG, batch, {})
    assert update is step_on
    assert isinstance(update, PlainUpdate)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_captured_steps_are_the_same_steps(tmp_path: Path) -> None:
    """In float32: the graph and the compiled arithmetic against the same arithmetic, uncompiled."""
    device, found = torch.device("cuda"), []
    for compiled in (False, True):
        flow = initialised().float().to(device)
        batches = Batches(CONFIG, IMAGES.to(device), 4)
        update = StackedUpdate(flow, CONFIG, compiled)
        step_on = CapturedStep(update, batches[0]) if compiled else update
        found.append(torch.stack([step_on(batches[step]) for step in range(20)]))
        update.finish()
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=0.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_run_on_a_gpu_learns_as_one_on_a_processor(tmp_path: Path) -> None:
    images = load_images("textures", "train", limit=320)
    config = TrainingConfig(epochs=(0, 1), batch_size=16, learning_rate=2e-3)
    densities = []
    for name in ("cuda", "cpu"):
        torch.manual_seed(0)
        flow = Glow((3, 32, 32), levels=3, steps=2, hidden=16)
        run = train(flow, images, config, tmp_path / name, torch.device(name))
        densities.append([record["bits_per_dim"] for record in run.log])
    torch.testing.assert_close(densities[0], densities[1], rtol=1e-2, atol=0.0)
