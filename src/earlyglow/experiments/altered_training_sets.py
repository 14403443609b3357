"""Training images mixed with samples of a flow, or altered as the released code alters them."""

from __future__ import annotations

import torch
from torch import Tensor

from earlyglow.datasets import quantize
from earlyglow.flows import Flow

_COPIES = 4
_SAMPLED_AT_ONCE = 500


def sampled(flow: Flow, count: int, temperature: float, seed: int) -> Tensor:
    """Samples of a flow as 8-bit images (count, C, H, W); the draw depends on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [
            flow.sample(min(_SAMPLED_AT_ONCE, count - start), temperature)
            for start in range(0, count, _SAMPLED_AT_ONCE)
        ]
    return quantize(torch.cat(parts)).cpu()


def mixed(real: Tensor, samples: Tensor, share: float) -> Tensor:
    """Real images with the last ``share`` of them replaced by as many samples."""
    replaced = round(share * len(real))
    return torch.cat((real[: len(real) - replaced], samples[:replaced]))


def copies(images: Tensor, seed: int) -> Tensor:
    """Four altered copies of each image: moved, turned, mirrored, and in other colours.

    Moves of up to a tenth of the size, rotations of up to ten degrees, left-right flips, and colour
    jitter of 0.2 (arXiv 2502.00820, code). The copies take the place of the images.
    """
    from torchvision.transforms import v2

    alter = v2.Compose(
        [
            v2.RandomAffine(degrees=10, translate=(0.1, 0.1)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.2, 0.2, 0.2, 0.2 if images.shape[1] == 3 else 0),
        ]
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.stack([alter(image) for image in images for _ in range(_COPIES)])


def random_pixels(images: Tensor, rate: float, seed: int) -> Tensor:
    """Each pixel replaced by uniform levels with probability ``rate`` (arXiv 2502.00820, code)."""
    generator = torch.Generator().manual_seed(seed)
    count, _, height, width = images.shape
    chosen = torch.rand(count, 1, height, width, generator=generator) < rate
    noise = torch.randint(0, 256, images.shape, generator=generator, dtype=torch.uint8)
    return torch.where(chosen, noise, images)
