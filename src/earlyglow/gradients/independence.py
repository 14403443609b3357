"""Whether a model treats the images of a batch apart, and always alike: asked once of each."""

from __future__ import annotations

import weakref

import torch
from torch import Tensor, nn

from earlyglow.gradients.objectives import Objective

_ALONE, _TOGETHER = 3, 8
# Batches of other sizes round otherwise; mixing or noise shows far more.
_TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-3}

_asked: weakref.WeakKeyDictionary[nn.Module, weakref.WeakSet[Objective]] = (
    weakref.WeakKeyDictionary()
)


def require_independent(model: nn.Module, x: Tensor, objective: Objective, key: Objective) -> None:
    """Refuse a model that draws noise, or whose images influence each other.

    Args:
        model: in evaluation mode.
        x: images (N, ...); few of them are looked at.
        objective: a number for each image.
        key: what stands for the objective from call to call.

    Raises:
        ValueError: two calls on the same images differ, or an image's number depends on its batch.
    """
    seen = _asked.setdefault(model, weakref.WeakSet())
    if key in seen:
        return
    together = x[:_TOGETHER]
    alone = together[: max(1, min(_ALONE, len(together) // 2))]
    name = type(model).__name__
    first, again = (objective(model, together).detach() for _ in range(2))
    if not _alike(first, again):
        raise ValueError(
            f"{name} gives other numbers for the same images at each call, so that it has no one "
            "gradient; fix its noise, by a seed inside of log_prob or one draw for all."
        )
    if len(alone) < len(together) and not _alike(
        objective(model, alone).detach(), first[: len(alone)]
    ):
        raise ValueError(
            f"{name} gives an image another number beside other images, so that images have no "
            "gradients of their own; look for batch normalisation without running statistics, or "
            "for noise that is shared by a batch."
        )
    seen.add(key)


def _alike(first: Tensor, second: Tensor) -> bool:
    tolerance = _TOLERANCE.get(first.dtype, 3e-2)
    scale = float(first.abs().max()) if first.numel() else 0.0
    return torch.allclose(first, second, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
