"""Which images a step sees, and how they look: functions of the seed and the step alone.

Nothing here keeps a state, so that a resumed run sees the same batches as one never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from earlyglow.datasets.dequantization import centre, dequantize_each
from earlyglow.training.config import TrainingConfig

_SHIFT = 0.1


class Batches:
    """The batches of a run by step, prepared on the device of the images, a few steps ahead.

    Args:
        config: its batch size, augmentation, noise and seed are read.
        images: uint8 (N, C, H, W).
        ahead: steps that are prepared together: a GPU is quicker with few large operations.
    """

    def __init__(self, config: TrainingConfig, images: Tensor, ahead: int) -> None:
        self.config, self.images, self.ahead = config, images, ahead
        self._prepared: dict[int, Tensor] = {}

    def __getitem__(self, step: int) -> Tensor:
        """Augmented and dequantised float32 images (B, C, H, W) of one step."""
        if step not in self._prepared:
            steps = range(step, step + self.ahead)
            indices = [batch_indices(self.config, len(self.images), s) for s in steps]
            batches = prepare(self.config, self.images, indices, steps)
            self._prepared = dict(zip(steps, batches.split(self.config.batch_size), strict=True))
        return self._prepared[step]


def batch_indices(config: TrainingConfig, images: int, step: int) -> Tensor:
    """Indices (batch_size,) of step ``step``: pass after pass, each freshly shuffled."""
    per_pass = images // config.batch_size
    number, position = divmod(step, per_pass)
    order = torch.randperm(images, generator=_generator(config.seed, 1, number))
    return order[position * config.batch_size : (position + 1) * config.batch_size]


def prepare(
    config: TrainingConfig, images: Tensor, indices: Sequence[Tensor], steps: Sequence[int]
) -> Tensor:
    """Augmented and dequantised float32 images of several steps, one step after the other.

    Args:
        config: its augmentation, noise and seed are read.
        images: uint8 (N, C, H, W).
        indices: for each step the numbers of its images.
        steps: the steps.
    """
    chosen = torch.cat(list(indices)).to(images.device)
    sizes = [len(of_step) for of_step in indices]
    batch = augment(config, images[chosen], dict(zip(steps, sizes, strict=True)))
    if config.noise == "none":
        return centre(batch)
    seeds = [config.seed * 1_000_003 + step + 1 for step in steps]
    return dequantize_each(
        batch, torch.tensor(seeds).repeat_interleave(torch.tensor(sizes)), chosen
    )


def augment(config: TrainingConfig, batch: Tensor, sizes: Mapping[int, int]) -> Tensor:
    """The configured random shift and flip of uint8 images (B, C, H, W).

    Args:
        config: what is done.
        batch: the images of one step after those of the other.
        sizes: how many images each step has.
    """
    generators = {step: _generator(config.seed, 2, step) for step in sizes}
    if "shift" in config.augmentation:
        height, width = batch.shape[2:]
        down, across = int(_SHIFT * height), int(_SHIFT * width)
        offsets = [
            torch.randint(0, 2 * reach + 1, (sizes[step], 1), generator=generator)
            for step, generator in generators.items()
            for reach in (down, across)
        ]
        batch = _shift(batch, torch.cat(offsets[::2]), torch.cat(offsets[1::2]))
    if "flip" in config.augmentation:
        drawn = [torch.rand(sizes[step], generator=g) for step, g in generators.items()]
        flipped = (torch.cat(drawn) < 0.5).to(batch.device)
        batch = torch.where(flipped[:, None, None, None], batch.flip(3), batch)
    return batch


def _shift(batch: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Move each image by up to a tenth of its size; what comes in is black.

    Args:
        batch: (B, C, H, W).
        rows: (B, 1) the first row that is kept of the image with black around it.
        columns: likewise.
    """
    count, _, height, width = batch.shape
    down, across = int(_SHIFT * height), int(_SHIFT * width)
    padded = torch.nn.functional.pad(batch, (across, across, down, down))
    device = batch.device
    rows = (rows + torch.arange(height)).to(device)
    columns = (columns + torch.arange(width)).to(device)
    which = torch.arange(count, device=device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _generator(seed: int, purpose: int, number: int) -> torch.Generator:
    # A linear combination keeps the streams of nearby seeds, purposes and steps apart.
    mixed = (seed * 4 + purpose) * 2_147_483_647 + number
    return torch.Generator().manual_seed(mixed % 2**63)
