"""Means over groups of consecutive images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earlyglow.gradients.model_state import evaluating
from earlyglow.gradients.objectives import checked, log_prob
from earlyglow.precision import float32_products

# A GPU is the faster the more it is given.
_CHUNK = {"cpu": 256, "cuda": 2048}


@torch.no_grad()
def mean_log_prob(model: nn.Module, x: Tensor, group_size: int = 1) -> Tensor:
    """Mean log-likelihood (N // group_size,) of each group of images, in nats.

    Raises:
        ValueError: the model's ``log_prob`` does not give one number for each image.
    """
    one_for_each = checked(log_prob)
    with evaluating(model), float32_products("ieee"):
        chunks = x.split(_CHUNK.get(x.device.type, 256))
        log_probs = torch.cat([one_for_each(model, chunk) for chunk in chunks])
    return mean_of_groups(log_probs, group_size)


def mean_of_groups(values: Tensor, group_size: int) -> Tensor:
    """Means (N // group_size, ...) of consecutive values (N, ...)."""
    whole = len(values) // group_size * group_size
    return values[:whole].unflatten(0, (-1, group_size)).mean(1)
