"""Input complexity against file lengths made by hand."""

from __future__ import annotations

import io
import math

import pytest
import torch
from PIL import Image

from earlyglow import Glow, InputComplexityDetector, dequantize, load_images
from earlyglow.detectors import compressed_bits


@pytest.mark.parametrize(("name", "mode"), [("digits", "L"), ("textures", "RGB")])
@pytest.mark.parametrize(("compressor", "suffix"), [("png", "PNG"), ("jpeg2000", "JPEG2000")])
def test_lengths_are_those_of_the_files(name: str, mode: str, compressor: str, suffix: str) -> None:
    """The dequantisation noise must not reach the file, and the file must be lossless."""
    images = load_images(name, limit=3).images
    found = compressed_bits(dequantize(images, seed=1), compressor)
    for image, bits in zip(images, found.tolist(), strict=True):
        pixels = image.permute(1, 2, 0).squeeze(-1).numpy()
        file = io.BytesIO()
        options = {"optimize": True} if suffix == "PNG" else {"irreversible": False}
        Image.fromarray(pixels, mode).save(file, suffix, **options)
        assert bits == 8 * len(file.getvalue())
        file.seek(0)
        assert (
            torch.tensor(list(Image.open(file).tobytes())) == image.permute(1, 2, 0).flatten()
        ).all()


def test_score_is_the_difference_of_two_lengths() -> None:
    model = Glow((1, 8, 8), levels=1, steps=1, hidden=4).eval()
    x = dequantize(load_images("digits", limit=7).images, seed=0)
    single = InputComplexityDetector(model).predict(x)
    bits = -model.log_prob(x) / math.log(2) + 8 * 64
    torch.testing.assert_close(single, (bits - compressed_bits(x)).detach().to(single))
    grouped = InputComplexityDetector(model, group_size=3).fit(x).predict(x)
    torch.testing.assert_close(grouped, single[:6].view(2, 3).mean(1))


def test_wrong_compressor_is_named() -> None:
    model = Glow((1, 8, 8), levels=1, steps=1, hidden=4)
    with pytest.raises(ValueError, match=r"compressor is 'webp'.*png, jpeg2000"):
        InputComplexityDetector(model, compressor="webp")  # type: ignore[arg-type]
