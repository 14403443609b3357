"""What is differentiated: a number for each image."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from earlyglow.settings import unknown

Objective = Callable[[nn.Module, Tensor], Tensor]


def log_prob(model: nn.Module, x: Tensor) -> Tensor:
    """The log-likelihood (N,): what arXiv 2502.00820 describes."""
    return model.log_prob(x)


def sum_z(model: nn.Module, x: Tensor) -> Tensor:
    """The sum (N,) of the final latent: what the released code of arXiv 2502.00820 computes."""
    return model.final_latent(x).flatten(1).sum(1)


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
        raise TypeError(
            f"{type(model).__name__} has no method {method!r}, which objective {objective!r} "
            "calls; add it or pass a callable (model, x) -> (N,)."
        )
    return OBJECTIVES[objective]
