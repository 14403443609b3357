"""Which images a step sees, and how they look: functions of the seed and the step alone.

Nothing here keeps a state, so that a resumed run sees the same batches as one never stopped.
"""

from __future__ import annotations

import torch
from torch import Tensor

from earlyglow.datasets.dequantization import centre, dequantize
from earlyglow.training.config import TrainingConfig

_SHIFT = 0.1


def batch_indices(config: TrainingConfig, images: int, step: int) -> Tensor:
    """Indices (batch_size,) of step ``step``: pass after pass, each freshly shuffled."""
    per_pass = images // config.batch_size
    number, position = divmod(step, per_pass)
    order = torch.randperm(images, generator=_generator(config.seed, 1, number))
    return order[position * config.batch_size : (position + 1) * config.batch_size]


def prepare(config: TrainingConfig, images: Tensor, indices: Tensor, step: int) -> Tensor:
    """Augmented and dequantised float32 images (B, C, H, W) of one step."""
    batch = augment(config, images[indices.to(images.device)], step)
    if config.noise == "none":
        return centre(batch)
    return dequantize(batch, seed=config.seed * 1_000_003 + step + 1, indices=indices)


def augment(config: TrainingConfig, batch: Tensor, step: int) -> Tensor:
    """The configured random shift and flip of uint8 images (B, C, H, W)."""
    generator = _generator(config.seed, 2, step)
    if "shift" in config.augmentation:
        batch = _shift(batch, generator)
    if "flip" in config.augmentation:
        flipped = torch.rand(len(batch), generator=generator) < 0.5
        batch = torch.where(flipped.to(batch.device)[:, None, None, None], batch.flip(3), batch)
    return batch


def _shift(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Move each image by up to a tenth of its size; what comes in is black."""
    count, _, height, width = batch.shape
    down, across = int(_SHIFT * height), int(_SHIFT * width)
    padded = torch.nn.functional.pad(batch, (across, across, down, down))
    rows = torch.randint(0, 2 * down + 1, (count, 1), generator=generator) + torch.arange(height)
    columns = torch.randint(0, 2 * across + 1, (count, 1), generator=generator) + torch.arange(
        width
    )
    device = batch.device
    which = torch.arange(count, device=device)[:, None, None]
    picked = padded[which, :, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def _generator(seed: int, purpose: int, number: int) -> torch.Generator:
    # A linear combination keeps the streams of nearby seeds, purposes and steps apart.
    return torch.Generator().manual_seed((seed * 4 + purpose) * 2_147_483_647 + number)
