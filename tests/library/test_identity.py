"""Kept checkpoints are found by how a model writes itself and names its parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import torch
from torch import nn

import earlyglow as eg
from earlyglow.classifiers import SmallCNN, SmallResNet

GOLDEN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "classroom, colour": (
        lambda: eg.Glow((3, 32, 32), levels=3, steps=4, hidden=64),
        "c86013850513dfe4",
    ),
    "classroom, grey": (
        lambda: eg.Glow((1, 28, 28), levels=2, steps=4, hidden=64),
        "c77a5f17c67b6db9",
    ),
    "smoke": (lambda: eg.Glow((1, 8, 8), levels=2, steps=1, hidden=8), "ec1cfb8cc62129a6"),
    "paper": (lambda: eg.Glow((3, 32, 32), levels=3, steps=32, hidden=512), "b1ba86bf0d35e714"),
    "classroom, dense": (
        lambda: eg.DenseGlow((1, 28, 28), steps=10, hidden=256, depth=4),
        "ce67c0a3d4e88d46",
    ),
    "smoke, dense": (
        lambda: eg.DenseGlow((1, 8, 8), steps=10, hidden=16, depth=1),
        "a9b7f2e14669e5ee",
    ),
    "residual network": (lambda: SmallResNet(10, 32), "e420b4517a0c90c4"),
    "plain network": (lambda: SmallCNN(1, 10, 16), "99927280c0a4a0b8"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_model_is_the_one_whose_checkpoints_are_kept(name: str) -> None:
    build, expected = GOLDEN[name]
    with torch.device("meta"):
        model = build()
    names = [name for name, _ in model.named_parameters()]
    buffers = [name for name, _ in model.named_buffers()]
    text = f"{model!r}\n" + "\n".join(names) + "\n".join(buffers)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == expected
