"""Controlled and altered images: what must stay stays, what must change changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earlyglow.datasets import load_images
from earlyglow_book import image_changes as controlled


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return load_images("textures", "test", limit=12).images


def levels(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(2).sort(2).values


@pytest.mark.parametrize(
    "change",
    [
        controlled.blurred,
        controlled.low_contrast,
        controlled.noisy,
        controlled.tilted_spectrum,
        controlled.swapped_colours,
        controlled.inverted,
        controlled.upside_down,
        controlled.shuffled_patches,
        controlled.phase_scrambled,
    ],
)
def test_changes_keep_shape_and_type_and_repeat(change, images: torch.Tensor) -> None:
    before = images.clone()
    changed = change(images)
    assert changed.dtype == torch.uint8
    assert changed.shape == images.shape
    assert torch.equal(images, before)
    assert torch.equal(changed, change(images))
    assert not torch.equal(changed, images)


@pytest.mark.parametrize(
    "change", [controlled.upside_down, controlled.shuffled_patches, controlled.phase_scrambled]
)
def test_changes_of_content_keep_the_levels(change, images: torch.Tensor) -> None:
    assert torch.equal(levels(change(images)), levels(images))


def test_shuffled_patches_are_the_same_patches(images: torch.Tensor) -> None:
    def patches(x: torch.Tensor) -> list[bytes]:
        cut = x.unfold(1, 4, 4).unfold(2, 4, 4).flatten(1, 2).transpose(0, 1)
        return sorted(patch.contiguous().numpy().tobytes() for patch in cut)

    for before, after in zip(images, controlled.shuffled_patches(images), strict=True):
        assert patches(before) == patches(after)


def test_low_level_statistics_are_those_of_the_reference(images: torch.Tensor) -> None:
    content, reference = images[:6], images[6:]
    changed = controlled.with_low_level_of(content, reference)
    assert torch.equal(levels(changed), levels(reference))
    found, wanted = (np.abs(np.fft.fft2(x.numpy().astype(float))) for x in (changed, reference))
    unlike = np.abs(np.fft.fft2(content.numpy().astype(float)))
    # Matching the levels last moves the amplitudes a little.
    assert np.abs(found - wanted).sum() < 0.5 * np.abs(unlike - wanted).sum()


def test_tilted_spectrum_keeps_the_moments_and_is_smoother(images: torch.Tensor) -> None:
    changed = controlled.tilted_spectrum(images).double()
    inside = (changed > 0) & (changed < 255)
    unclipped = inside.flatten(1).all(1)
    assert unclipped.any()
    before, after = images[unclipped].double(), changed[unclipped]
    torch.testing.assert_close(after.mean((2, 3)), before.mean((2, 3)), atol=0.5, rtol=0)
    torch.testing.assert_close(after.std((2, 3)), before.std((2, 3)), atol=0.5, rtol=0)
    assert after.diff(dim=3).abs().mean() < before.diff(dim=3).abs().mean()
