"""Checks of the images that are handed to flows and detectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def require_tensor(x: object) -> None:
    """Raise TypeError unless ``x`` is a dense tensor, and ValueError where it has no dimension.

    An image set, whose images a flow does not take as they are, is what it is mistaken for most.
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"the images are of type {type(x).__name__}, but a torch tensor is needed; for an "
            "ImageSet pass earlyglow.dequantize(image_set.images), for an array "
            "torch.from_numpy(array)."
        )
    if x.is_nested or x.layout != torch.strided or x.is_meta:
        kind = "nested" if x.is_nested else "meta" if x.is_meta else "sparse"
        raise TypeError(
            f"the images are a {kind} tensor, but a dense one with values is needed; for a nested "
            "or sparse one pass torch.stack(list(x)) or x.to_dense()."
        )
    if x.dim() == 0:
        raise ValueError(f"the images are one number, {x.item()}, but a batch (N, ...) is needed.")


def require_module(what: str, value: object) -> None:
    """Raise TypeError unless ``value`` is an instance of a torch module."""
    if not isinstance(value, nn.Module):
        raise TypeError(f"{what} is {value!r:.60}, but an instance of a torch.nn.Module is needed.")


def require_dtype(x: Tensor, model: nn.Module) -> None:
    """Raise TypeError where floating-point images have another dtype than the model, if it has."""
    parameter = next(model.parameters(), None)
    if parameter is not None and x.is_floating_point() and x.dtype != parameter.dtype:
        raise TypeError(
            f"the images have dtype {x.dtype} and the model has {parameter.dtype}; pass "
            f"images.to({parameter.dtype}), or change the model by .to({x.dtype})."
        )


def require_finite(x: Tensor) -> None:
    """Raise ValueError where one of the images (N, ...) holds NaN or infinity."""
    finite = x.isfinite()
    finite = finite.flatten(1).all(1) if x.dim() > 1 else finite
    if not finite.all():
        broken = (~finite).nonzero().flatten().tolist()
        raise ValueError(
            f"{len(broken)} of {len(x)} images hold NaN or infinity, the first of them number "
            f"{broken[0]} (from 0); leave them out."
        )
