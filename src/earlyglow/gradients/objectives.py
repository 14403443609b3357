"""What is differentiated: a number for each image."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from earlyglow.checks import unknown

Objective = Callable[[nn.Module, Tensor], Tensor]


def log_prob(model: nn.Module, x: Tensor) -> Tensor:
    """The log-likelihood (N,): what arXiv 2502.00820 describes."""
    return model.log_prob(x)  # type: ignore[operator]


def sum_z(model: nn.Module, x: Tensor) -> Tensor:
    """The sum (N,) of the final latent: what the released code of arXiv 2502.00820 computes."""
    return model.final_latent(x).flatten(1).sum(1)  # type: ignore[operator]


OBJECTIVES: dict[str, Objective] = {"log_prob": log_prob, "sum_z": sum_z}
_NEEDS = {"log_prob": "log_prob", "sum_z": "final_latent"}


def find_objective(objective: str | Objective, model: nn.Module) -> Objective:
    """The function of that name, or the callable itself.

    Raises:
        ValueError: no objective has that name.
        TypeError: the model lacks the method that the objective calls.
    """
    if callable(objective):
        return objective
    if objective not in OBJECTIVES:
        raise ValueError(unknown("objective", objective, OBJECTIVES))
    method = _NEEDS[objective]
    if not callable(getattr(model, method, None)):
        inside = getattr(model, "module", None)
        wrapped = isinstance(inside, nn.Module) and callable(getattr(inside, method, None))
        remedy = "pass model.module, which has it" if wrapped else "add it"
        raise TypeError(
            f"{type(model).__name__} has no method {method!r}, which objective {objective!r} "
            f"calls; {remedy}, or pass a callable (model, x) -> (N,)."
        )
    _require_one_argument(model, method)
    return OBJECTIVES[objective]


def _require_one_argument(model: nn.Module, method: str) -> None:
    """Refuse a method that needs more than the images, a condition say."""
    try:
        signature = inspect.signature(getattr(model, method))
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(
            f"{type(model).__name__}.{method}{signature} cannot be called with images alone "
            f"({error}); pass objective=lambda model, x: model.{method}(x, ...)."
        ) from None


def autocast_to_bf16(objective: Objective) -> Objective:
    """The objective with its convolutions and linear layers in bf16, forward and backward.

    Only the forward pass runs under autocast: backward operations follow their forward's type.
    """

    def in_bf16(model: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return objective(model, x)

    return in_bf16


def checked(objective: Objective) -> Objective:
    """The objective, refused where it does not give one number for each image."""

    def one_for_each(model: nn.Module, x: Tensor) -> Tensor:
        values = objective(model, x)
        if not isinstance(values, Tensor):
            raise TypeError(
                f"the objective returns {type(values).__name__}, but it must return a tensor of "
                f"shape ({len(x)},): one number for each image."
            )
        if not values.is_floating_point():
            raise TypeError(
                f"the objective returns {values.dtype}, but it must return real numbers with a "
                "gradient; take .real, or leave out the conversion to whole numbers."
            )
        if values.shape != (len(x),):
            raise ValueError(
                f"the objective returns shape {tuple(values.shape)} for {len(x)} images, but it "
                f"must return ({len(x)},): one number for each image, not their mean or sum."
            )
        return values

    return one_for_each
