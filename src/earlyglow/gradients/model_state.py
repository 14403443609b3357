"""States that a model is put in for a measurement, and taken out of afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every module is in evaluation mode inside, and in its own mode afterwards."""
    before = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def all_requiring_grad(model: nn.Module) -> Iterator[None]:
    """Every parameter requires a gradient inside, and is as it was afterwards."""
    before = [(p, p.requires_grad) for p in model.parameters()]
    try:
        for parameter, _ in before:
            parameter.requires_grad_()
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)


@contextmanager
def bf16_linear_weights(model: nn.Module) -> Iterator[None]:
    """The weights of linear layers are bf16 inside, and what they were afterwards.

    Autocast would round a weight anew, and keep the rounded copy, at each use of it.
    """
    weights = {
        module.weight: module.weight.data
        for module in model.modules()
        if type(module) is nn.Linear and module.weight.dtype == torch.float32
    }
    try:
        for weight, values in weights.items():
            weight.data = values.bfloat16()
        yield
    finally:
        for weight, values in weights.items():
            weight.data = values
