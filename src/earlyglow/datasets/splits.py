"""The clean protocol's two halves of a test set."""

from __future__ import annotations

import torch
from torch import Tensor

_PERMUTATION_SEED = 2502


def halves(count: int) -> tuple[Tensor, Tensor]:
    """Divide ``count`` test images into a *fit* and an *eval* half by a fixed permutation.

    The detector's Gaussians are fitted on the first half; in-distribution scores come from the
    second (the split of arXiv 2403.01485, with a permutation because many sets are sorted).

    Returns:
        Two int64 index tensors of count // 2 and count - count // 2 elements, disjoint.

    Examples:
        >>> fit, evaluate = halves(5)
        >>> sorted(torch.cat((fit, evaluate)).tolist())
        [0, 1, 2, 3, 4]
    """
    if count < 2:
        raise ValueError(f"count is {count}, but two halves need at least 2 images.")
    generator = torch.Generator().manual_seed(_PERMUTATION_SEED)
    order = torch.randperm(count, generator=generator)
    return order[: count // 2], order[count // 2 :]


def subset(count: int, limit: int) -> Tensor:
    """At most ``limit`` of ``count`` indices by the same fixed permutation, int64.

    Examples:
        >>> len(subset(5, 3)), len(subset(5, 9))
        (3, 5)
    """
    generator = torch.Generator().manual_seed(_PERMUTATION_SEED)
    return torch.randperm(count, generator=generator)[:limit]
