"""Whether a model treats the images of a batch apart, and always alike: asked once of each."""

from __future__ import annotations

import weakref

import torch
from torch import Tensor, nn

from earlyglow.gradients.model_state import all_requiring_grad
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
        ValueError: two calls on the same images differ, an image's number depends on its batch, it
            is not finite or has no gradient, or the images are changed in place.
    """
    seen = _asked.setdefault(model, weakref.WeakSet())
    if key in seen:
        return
    # What the model may do to them shall not reach the caller's images.
    together = x[:_TOGETHER].clone()
    version = together._version
    # From the middle: a batch that is taken for a sequence changes no number of its first images.
    count = max(1, min(_ALONE, len(together) // 2))
    start = (len(together) - count + 1) // 2
    alone = together[start : start + count]
    name = type(model).__name__
    # As in the measurement: without gradients a Transformer's layers take another, fused way.
    with all_requiring_grad(model):
        first, again = (objective(model, together) for _ in range(2))
        apart = objective(model, alone).detach()
    if together._version != version:
        raise ValueError(
            f"{name} changes its images in place, so that they are others at the next call; write "
            "x = x * 2 instead of x *= 2, or clone them first."
        )
    if not first.requires_grad:
        raise ValueError(
            f"{name} gives numbers without a gradient: call nothing of it under torch.no_grad or "
            "torch.inference_mode, detach nothing on the way, checkpoint by use_reentrant=False."
        )
    first = first.detach()
    if not first.isfinite().all():
        broken = int((~first.isfinite()).nonzero()[0])
        raise ValueError(
            f"{name} gives {first[broken].item()} for image {broken} (from 0), which has no "
            "gradient; leave such images out, or look for NaN among its weights."
        )
    if not _alike(first, again.detach()):
        raise ValueError(
            f"{name} gives other numbers for the same images at each call, so that it has no one "
            "gradient; fix its noise: one draw for all images, as torch.randn_like(x[:1]) after a "
            "seed inside of log_prob."
        )
    if len(alone) < len(together) and not _alike(apart, first[start : start + count]):
        raise ValueError(
            f"{name} gives an image another number beside other images, so that images have no "
            "gradients of their own; look for batch normalisation without running statistics, for "
            "a recurrent layer without batch_first=True, or for noise that is drawn by place."
        )
    seen.add(key)


def _alike(first: Tensor, second: Tensor) -> bool:
    tolerance = _TOLERANCE.get(first.dtype, 3e-2)
    scale = float(first.abs().max()) if first.numel() else 0.0
    # Where large terms cancel, as in a sum of normalised values, rounding is all that is left.
    least = 64 * torch.finfo(first.dtype).eps
    atol = tolerance * scale + least
    return torch.allclose(first, second, rtol=tolerance, atol=atol, equal_nan=True)
