"""One backward pass for each group: slow, short, and the truth that the others are tested on."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from earlyglow.gradients.contributions import squared_norm
from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import Objective


def loop_norms(
    model: nn.Module,
    x: Tensor,
    group_sizes: tuple[int, ...],
    objective: Objective,
    names: Collection[str] | None = None,
) -> dict[int, Tensor]:
    """Squared gradient norms (N // b, L) of the groups of each size b.

    Args:
        model: whose parameters are differentiated.
        x: images (N, ...).
        group_sizes: the sizes b.
        objective: a number for each image.
        names: of the parameters that are asked for; all where omitted.
    """
    asked = [p for n, p in model.named_parameters() if names is None or n in names]
    with all_requiring_grad(model):
        return {size: _of_size(model, x, size, objective, asked) for size in group_sizes}


def _of_size(
    model: nn.Module, x: Tensor, size: int, objective: Objective, parameters: list[nn.Parameter]
) -> Tensor:
    groups = x[: len(x) // size * size].split(size)
    return torch.stack([_of_group(objective(model, group).sum(), parameters) for group in groups])


def _of_group(total: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    # A parameter that the objective does not depend on has gradient zero.
    return torch.stack(
        [
            squared_norm(torch.zeros_like(p) if g is None else g)
            for g, p in zip(gradients, parameters, strict=True)
        ]
    )
