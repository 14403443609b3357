"""One backward pass for each group: slow, short, and the truth that the others are tested on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import Objective


def loop_norms(
    model: nn.Module, x: Tensor, group_sizes: tuple[int, ...], objective: Objective
) -> dict[int, Tensor]:
    """Squared gradient norms (N // b, L) of the groups of each size b."""
    with all_requiring_grad(model):
        return {size: _of_size(model, x, size, objective) for size in group_sizes}


def _of_size(model: nn.Module, x: Tensor, size: int, objective: Objective) -> Tensor:
    parameters = list(model.parameters())
    groups = x[: len(x) // size * size].split(size)
    return torch.stack([_of_group(objective(model, group).sum(), parameters) for group in groups])


def _of_group(total: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return torch.stack([_squared_norm(g, p) for g, p in zip(gradients, parameters, strict=True)])


def _squared_norm(gradient: Tensor | None, parameter: Tensor) -> Tensor:
    # A parameter that the objective does not depend on has gradient zero.
    return parameter.new_zeros(()) if gradient is None else gradient.square().sum()
