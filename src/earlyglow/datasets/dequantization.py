"""Uniform dequantisation whose noise depends on the seed and the image's index alone."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor

from earlyglow.image_checks import require_tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def dequantize(images: Tensor, seed: int = 0, indices: Tensor | None = None) -> Tensor:
    """Spread each grey level v over its cell: ``(v + u) / 256 - 0.5`` with u uniform in [0, 1).

    The noise of an image is a hash of (seed, index, position): the same on every device, in
    every batch and in any order. It has 16 bits, so that v + u is exact in float32 and the
    result never rounds up to 0.5.

    Args:
        images: uint8 (N, C, H, W); left untouched.
        seed: any integer.
        indices: (N,) integers, the identity of each image; 0 … N-1 where omitted.

    Returns:
        float32 (N, C, H, W) in [-0.5, 0.5).

    Raises:
        TypeError: the images are no uint8 tensor, the indices no tensor of whole numbers, or the
            seed is no whole number.
        ValueError: there are more or fewer indices than images.

    Source: arXiv 2502.00820 (code): x·255/256 - 0.5 plus U(0, 1/256).
    """
    require_tensor(images)
    if images.dtype != torch.uint8:
        raise TypeError(
            f"the images have dtype {images.dtype}, but dequantize takes uint8 images; "
            "load_images gives them."
        )
    count = len(images)
    if indices is None:
        indices = torch.arange(count, device=images.device)
    if not isinstance(indices, Tensor) or indices.is_floating_point() or indices.is_complex():
        kind = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise TypeError(f"indices is {kind}, but a tensor of whole numbers is needed.")
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed is {seed!r}, but it must be a whole number.")
    if indices.shape != (count,):
        raise ValueError(
            f"indices has shape {tuple(indices.shape)}, but {count} images need ({count},)."
        )
    return dequantize_each(images, torch.tensor(_signed(seed)), indices)


def dequantize_each(images: Tensor, seeds: Tensor, indices: Tensor) -> Tensor:
    """:func:`dequantize` with a seed (N,) for each image, or one for all."""
    seeds, indices = (t.to(images.device, torch.int64) for t in (seeds, indices))
    noise = _uniform_16_bit(seeds, indices, images[0].numel() if len(images) else 0)
    return (images.float() + noise.view(images.shape) / 65536.0) / 256.0 - 0.5


def quantize(x: Tensor) -> Tensor:
    """The grey levels of images as :func:`dequantize` gives them: uint8 (N, C, H, W).

    What lies outside of [-0.5, 0.5) becomes the nearest level, NaN the middle one.
    """
    return ((x.double().nan_to_num() + 0.5) * 256).floor().clamp(0, 255).to(torch.uint8)


def centre(images: Tensor) -> Tensor:
    """Map grey levels to [-0.5, 0.5) without noise: ``v / 256 - 0.5``, float32 (N, C, H, W)."""
    return images.float() / 256.0 - 0.5


def _uniform_16_bit(seeds: Tensor, indices: Tensor, dims: int) -> Tensor:
    """Integers 0 … 65535 as float32 (N, dims): SplitMix64 (Steele et al. 2014) of a counter."""
    words = -(-dims // 4)
    start = _mix(_mix(seeds) + indices)
    counter = torch.arange(1, words + 1, device=indices.device) * _GOLDEN
    bits = _mix(start[:, None] + counter)
    # One 64-bit word holds the noise of four positions.
    return bits.view(torch.int16)[:, :dims].float() + 32768.0


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(seed: int) -> int:
    # An integer of NumPy would overflow.
    return (int(seed) + 2**63) % 2**64 - 2**63
