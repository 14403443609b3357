"""Images in disguise: what each shift does, and that severities are ordered."""

from __future__ import annotations

import pytest
import torch

from earlyglow.datasets import load_images
from earlyglow_book import image_shifts


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return load_images("textures", "test", limit=10).images


@pytest.mark.parametrize("name", image_shifts.SHIFTS)
def test_severities_change_more_and_more_and_repeat(name: str, images: torch.Tensor) -> None:
    change = image_shifts.SHIFTS[name]
    before, errors = images.clone(), []
    for severity in image_shifts.SEVERITIES:
        changed = change(images, severity)
        assert changed.shape == images.shape
        assert changed.dtype == torch.uint8
        assert torch.equal(changed, change(images, severity))
        errors.append((changed.float() - images.float()).square().mean().item())
    assert torch.equal(images, before)
    assert errors[0] > 0
    # A texture that repeats itself is nearer after a longer way.
    assert name == "translation" or errors == sorted(errors)


def test_noise_has_its_deviation_where_nothing_is_clipped() -> None:
    grey = torch.full((4, 1, 64, 64), 128, dtype=torch.uint8)
    for severity in (1, 2, 3):
        drawn = image_shifts.noise(grey, severity).float().std().item()
        assert drawn == pytest.approx(image_shifts.NOISE[severity - 1], rel=0.03)


def test_contrast_leaves_that_share_of_the_deviation(images: torch.Tensor) -> None:
    left = image_shifts.contrast(images, 4).float().std((1, 2, 3))
    torch.testing.assert_close(left, 0.4 * images.float().std((1, 2, 3)), atol=0.5, rtol=0.02)


def test_jpeg_keeps_flat_images_and_the_mean(images: torch.Tensor) -> None:
    """An image without detail has nothing to lose; of others the mean survives."""
    flat = torch.full((2, 1, 16, 16), 77, dtype=torch.uint8)
    for severity in image_shifts.SEVERITIES:
        assert (image_shifts.jpeg(flat, severity).int() - 77).abs().max() <= 1
    opened = image_shifts.jpeg(images, 3).float().mean((1, 2, 3))
    torch.testing.assert_close(opened, images.float().mean((1, 2, 3)), atol=3.0, rtol=0.0)


def test_translations_move_what_is_there(images: torch.Tensor) -> None:
    """Away from the edges each image is the old one, moved along one of the diagonals."""
    moved, d = image_shifts.translation(images, 2), image_shifts.TRANSLATION[1]
    for before, after in zip(images, moved, strict=True):
        inside = (slice(None), slice(d, -d), slice(d, -d))
        candidates = [before.roll((i * d, j * d), (1, 2))[inside] for i in (1, -1) for j in (1, -1)]
        assert any(torch.equal(after[inside], candidate) for candidate in candidates)
    assert len({tuple(row) for row in (moved[:, 0, 0, :3]).tolist()}) > 1
