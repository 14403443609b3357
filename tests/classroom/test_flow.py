"""The flow that comes along: what it says can be computed again, and it grows up."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

import earlyglow as eg
from earlyglow_book.classroom import flow


def test_every_checkpoint_and_record_is_there_and_small() -> None:
    files = list(flow.FOLDER.iterdir())
    assert len(files) == 2 * len(flow.EPOCHS)
    assert sum(path.stat().st_size for path in files) < 4_000_000


@pytest.mark.parametrize("epoch", flow.EPOCHS)
def test_records_have_the_sizes_that_are_promised(epoch: float) -> None:
    tensors = len(list(flow.build().parameters()))
    for name, one in flow.recorded(epoch).items():
        assert one.log_prob.shape == (flow.RECORDED[name],)
        assert one.log_norms.shape == (flow.RECORDED[name], tensors)
        assert not one.log_norms.isnan().any()


def test_training_makes_fashion_likelier() -> None:
    said = [flow.recorded(epoch)["eval"].log_prob.mean().item() for epoch in flow.EPOCHS]
    assert said == sorted(said)


def test_epoch_0_starts_from_the_weights_that_the_script_draws() -> None:
    """All but the actnorms, which the first images set."""
    drawn, kept = flow.build().state_dict(), flow.load(0).state_dict()
    same = [name for name in drawn if torch.equal(drawn[name], kept[name])]
    assert {name for name in drawn if ".conv." in name} <= set(same)
    assert len(same) < len(drawn)


def test_an_epoch_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match=r"epoch is 3, but there are checkpoints at 0, 0\.1, 0\.5"):
        flow.load(3)


def test_what_is_recorded_can_be_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On drawn images: written, read, and beside one backward pass for each tensor."""
    monkeypatch.setattr(flow, "FOLDER", tmp_path)
    monkeypatch.setattr(flow, "RECORDED", {"drawn": 3})
    model = flow.build()
    x = eg.dequantize(torch.arange(3 * 784).reshape(3, 1, 28, 28).remainder(256).to(torch.uint8))
    model(x)  # sets the actnorms
    flow.save_record(flow.record(model.eval(), {"drawn": x}), 2)
    said = flow.recorded(2)["drawn"]
    for image, row in zip(x, said.log_norms, strict=True):
        gradients = torch.autograd.grad(model.log_prob(image[None]).sum(), list(model.parameters()))
        for gradient, log_norm in zip(gradients, row, strict=True):
            truth = math.log(gradient.square().sum().item() or 1e-300)
            assert log_norm.isinf() if truth < -600 else abs(log_norm - truth) < 0.02


@pytest.mark.skipif("EARLYGLOW_DATA" not in os.environ, reason="needs Fashion-MNIST's images")
def test_the_records_are_those_of_the_images() -> None:
    images = eg.load_images(flow.ID_DATASET, "test").images
    first = images[eg.halves(len(images))[0][:5]]
    again = flow.record(flow.load(2), {"fit": eg.dequantize(first, seed=1)})["fit"]
    said = flow.recorded(2)["fit"]
    torch.testing.assert_close(again.log_prob, said.log_prob[:5])
    torch.testing.assert_close(again.log_norms, said.log_norms[:5], atol=0.02, rtol=2e-3)
