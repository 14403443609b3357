"""Images changed in one respect only: their low-level statistics, or what they show.

Every function takes uint8 images (N, C, H, W) and returns new ones of the same shape; what is
random in it is the same in every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import torch
from torch import Tensor

from earlyglow.datasets.image_set import ImageSet

_PATCH = 4


def blurred(images: Tensor) -> Tensor:
    """Gaussian blur of one pixel: fine texture goes, content stays."""
    return _smoothed(images, size=5, deviation=1.0)


def low_contrast(images: Tensor, share: float = 0.5) -> Tensor:
    """A share of each image's contrast around its mean."""
    levels = images.float()
    mean = levels.mean((1, 2, 3), keepdim=True)
    return _to_levels(mean + share * (levels - mean))


def noisy(images: Tensor, deviation: float = 12.0) -> Tensor:
    """White Gaussian noise of a deviation in grey levels: fine texture is added."""
    noise = torch.randn(images.shape, generator=_generator())
    return _to_levels(images.float() + deviation * noise)


def tilted_spectrum(images: Tensor) -> Tensor:
    """Amplitudes times ``f^(-1/2)``, mean and deviation restored: smoother with equal contrast."""
    levels = images.float()
    height, width = images.shape[2:]
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)
    frequency = (down.square() + across.square()).sqrt().clamp_min(1.0 / max(height, width))
    tilted = torch.fft.ifft2(torch.fft.fft2(levels) * frequency**-0.5).real
    deviation, mean = torch.std_mean(tilted, (2, 3), keepdim=True)
    own_deviation, own_mean = torch.std_mean(levels, (2, 3), keepdim=True)
    return _to_levels((tilted - mean) / deviation.clamp_min(1e-6) * own_deviation + own_mean)


def swapped_colours(images: Tensor) -> Tensor:
    """Red and blue exchanged."""
    return images.flip(1)


def inverted(images: Tensor) -> Tensor:
    """Every grey level v as 255 - v."""
    return 255 - images


def upside_down(images: Tensor) -> Tensor:
    """The same pixels, textures and smoothness, in an orientation that was never seen."""
    return images.flip(2)


def shuffled_patches(images: Tensor) -> Tensor:
    """Patches of 4×4 pixels in another order: local texture and levels stay."""
    generator = _generator()
    count, channels, height, width = images.shape
    rows, columns = height // _PATCH, width // _PATCH
    patches = images.unfold(2, _PATCH, _PATCH).unfold(3, _PATCH, _PATCH).flatten(2, 3)
    order = torch.stack([torch.randperm(rows * columns, generator=generator) for _ in range(count)])
    index = order[:, None, :, None, None].expand_as(patches)
    shuffled = patches.gather(2, index).unflatten(2, (rows, columns))
    return shuffled.permute(0, 1, 2, 4, 3, 5).reshape(count, channels, height, width)


def phase_scrambled(images: Tensor) -> Tensor:
    """Random phases under each image's own amplitudes and grey levels: no content is left.

    The same phases are added in all channels, so that their colours stay together.
    """
    noise = torch.rand(len(images), 1, *images.shape[2:], generator=_generator())
    return _with_phases_of(noise, torch.fft.fft2(images.float()), images)


def with_low_level_of(content: Tensor, reference: Tensor) -> Tensor:
    """What ``content`` shows, with the amplitudes and the grey levels of ``reference``.

    Image i takes its phases from content i and its amplitude spectrum and its sorted grey levels,
    channel by channel, from reference i.

    Args:
        content: (N, C, H, W) uint8.
        reference: (M, C, H, W) uint8 with M >= N.
    """
    reference = reference[: len(content)]
    return _with_phases_of(content.float(), torch.fft.fft2(reference.float()).abs(), reference)


def _with_phases_of(images: Tensor, spectrum: Tensor, reference: Tensor) -> Tensor:
    """The spectrum turned by the phases of the images, with the grey levels of the reference."""
    phases = torch.fft.fft2(images).angle()
    turned = torch.fft.ifft2(spectrum * torch.exp(1j * phases)).real
    return with_levels_of(turned, reference)


def with_levels_of(images: Tensor, reference: Tensor) -> Tensor:
    """The order of each image's pixels with the sorted grey levels of the reference image.

    Args:
        images: (N, C, H, W), any real type.
        reference: uint8 (N, C, H, W).
    """
    ranks = images.flatten(2).argsort(2).argsort(2)
    levels = reference.flatten(2).sort(2).values
    return levels.gather(2, ranks).view_as(reference)


def ink_table(sets: Mapping[str, ImageSet]) -> pd.DataFrame:
    """What is drawn in each set: mean level, share of pixels of level 128 or more, and edges."""
    rows = []
    for name, images in sets.items():
        levels = images.images.float()
        bright = (levels >= 128).float()
        steps = (levels.diff(dim=2).abs().mean() + levels.diff(dim=3).abs().mean()) / 2
        rows.append((name, levels.mean().item(), bright.mean().item(), steps.item()))
    return pd.DataFrame(rows, columns=["dataset", "mean_level", "bright_share", "mean_step"])


def as_image_set(images: Tensor) -> ImageSet:
    """Changed images as a set, so that their noise is drawn as that of any other."""
    labels = torch.full((len(images),), -1, dtype=torch.int64)
    return ImageSet(images, labels, "controlled", "test")


def with_ink_of(images: Tensor, reference: Tensor) -> Tensor:
    """The sorted grey levels of the reference image, put on the strokes and next to them.

    Among pixels of one level those nearest to the strokes come first: otherwise more ink would be
    spread over the empty background in the order of the pixels.
    """
    levels = images.float()
    near = _smoothed(levels, size=2 * (min(images.shape[2:]) // 2) - 1, deviation=4.0)
    return with_levels_of(levels + 1e-3 * near, reference[: len(images)])


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _to_levels(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _smoothed(images: Tensor, size: int, deviation: float) -> Tensor:
    from torchvision.transforms.v2 import functional as TF

    return TF.gaussian_blur(images, kernel_size=[size, size], sigma=[deviation, deviation])


# Changes of low-level statistics, of colours, and of content, by name.
LOW_LEVEL: dict[str, Callable[[Tensor], Tensor]] = {
    "blurred": blurred,
    "low contrast": low_contrast,
    "noisy": noisy,
    "tilted spectrum": tilted_spectrum,
    "inverted": inverted,
}
COLOUR_LEVEL: dict[str, Callable[[Tensor], Tensor]] = {"red and blue swapped": swapped_colours}
CONTENT: dict[str, Callable[[Tensor], Tensor]] = {
    "upside down": upside_down,
    "shuffled patches": shuffled_patches,
    "scrambled phases": phase_scrambled,
}

# What an image can be given of another: changes of (images, reference).
GIVEN: tuple[tuple[str, Callable[..., Tensor]], ...] = (
    ("ink", with_ink_of),
    ("spectrum", with_low_level_of),
)
