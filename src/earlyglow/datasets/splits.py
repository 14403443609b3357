"""The clean protocol's two halves of a test set."""

from __future__ import annotations

import torch
from torch import Tensor

from earlyglow.checks import require_whole

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
    require_whole("count", count, 0)
    if count < 2:
        raise ValueError(f"count is {count}, but two halves need at least 2 images.")
    generator = torch.Generator().manual_seed(_PERMUTATION_SEED)
    order = torch.randperm(count, generator=generator)
    return order[: count // 2], order[count // 2 :]


def halves_of_clusters(clusters: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`halves` that divide no cluster: what belongs together goes to one side whole.

    Args:
        clusters: int64 (N,), the cluster of each image, numbered from 0.

    Returns:
        Two int64 index tensors, disjoint; the first has N // 2 elements or a little less.

    Examples:
        >>> fit, evaluate = halves_of_clusters(torch.tensor([0, 0, 1, 1, 2, 2]))
        >>> len(fit), len(evaluate)
        (2, 4)
    """
    generator = torch.Generator().manual_seed(_PERMUTATION_SEED)
    order = torch.randperm(int(clusters.max()) + 1, generator=generator)
    sizes = torch.bincount(clusters)[order]
    first = order[sizes.cumsum(0) <= len(clusters) // 2]
    in_first = torch.isin(clusters, first)
    shuffled = torch.randperm(len(clusters), generator=generator)
    return shuffled[in_first[shuffled]], shuffled[~in_first[shuffled]]


def near_duplicates(images: Tensor, correlation: float) -> Tensor:
    """Clusters (N,) of images that chains of near-duplicates join, numbered from 0.

    Args:
        images: uint8 (N, C, H, W).
        correlation: two images are near-duplicates where their pixels correlate by more.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    flat = images.flatten(1).float()
    flat = flat - flat.mean(1, keepdim=True)
    flat = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-6)
    alike = csr_array((flat @ flat.T > correlation).numpy())
    return torch.from_numpy(connected_components(alike, directed=False)[1]).long()


def subset(count: int, limit: int) -> Tensor:
    """At most ``limit`` of ``count`` indices by the same fixed permutation, int64.

    Examples:
        >>> len(subset(5, 3)), len(subset(5, 9))
        (3, 5)
    """
    require_whole("limit", limit, 0)
    generator = torch.Generator().manual_seed(_PERMUTATION_SEED)
    return torch.randperm(count, generator=generator)[:limit]
