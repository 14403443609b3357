"""Which features count as exploited."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Importance = Callable[[Tensor, Tensor], Tensor]


def gradient_magnitude(features: Tensor, gradient: Tensor) -> Tensor:
    """The paper's importance of a feature: the size of its gradient, same shape as both."""
    return gradient.abs()
