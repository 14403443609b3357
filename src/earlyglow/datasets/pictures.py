"""One picture file of any kind becomes 8-bit pixels of one shape, or is refused by name."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from earlyglow.datasets.errors import DatasetError

Pixels = NDArray[np.uint8]
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif")
)
# Modes of Pillow whose values are 8-bit, so that converting them changes no range.
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV")
_WITH_TRANSPARENCY = ("LA", "PA", "RGBA")


def read_picture(file: Path | bytes, what: str, shape: tuple[int, int, int]) -> Pixels:
    """A picture as uint8 (C, H, W): cut to the middle square, and resized with antialiasing.

    Args:
        file: its path, or its encoded bytes.
        what: names it in errors.
        shape: (C, H, W), with C 1 (grey, by the Rec. 601 luma) or 3.

    Raises:
        DatasetError: as :func:`decode_picture`.
    """
    channels, height, width = shape
    plain = decode_picture(file, what, channels)
    side = min(plain.size)
    left, top = (plain.width - side) // 2, (plain.height - side) // 2
    square = plain.crop((left, top, left + side, top + side))
    fitted = square.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1)


def decode_picture(file: Path | bytes, what: str, channels: int) -> Image.Image:
    """A picture in mode "L" or "RGB", upright as its EXIF orientation says, on white.

    Args:
        file: its path, or its encoded bytes.
        what: names it in errors.
        channels: 1 or 3.

    Raises:
        DatasetError: it is no picture, damaged, animated, too large, or has more than 8 bits.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
                _require_still(picture, what)
                _require_eight_bit(picture, what)
                upright = ImageOps.exif_transpose(picture)
                return _on_white(upright).convert("L" if channels == 1 else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(
            f"{what} has more pixels than are decoded without a question ({error}); make it "
            "smaller first."
        ) from error
    except UnidentifiedImageError as error:
        raise DatasetError(
            f"{what} is no picture that can be read; save it as PNG or JPEG, or take it away."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DatasetError(
            f"{what} cannot be decoded ({error}); it is damaged, replace it or take it away."
        ) from error


def _require_still(picture: Image.Image, what: str) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        raise DatasetError(
            f"{what} has {frames} frames, but a picture must have one; save the frame you mean."
        )


def _require_eight_bit(picture: Image.Image, what: str) -> None:
    # Pillow reads 16 bits of each colour channel as 8 without a word.
    bits = picture.tag_v2.get(258, (8,)) if hasattr(picture, "tag_v2") else (8,)
    wide = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if picture.mode not in _EIGHT_BIT or wide or _is_wide_png(picture):
        kind = "more than 8 bits" if picture.mode in (*_EIGHT_BIT, "I", "F") else picture.mode
        kind = "more than 8 bits" if picture.mode.startswith("I;16") else kind
        raise DatasetError(
            f"{what} has {kind} for each value, but pictures with 8 bits are needed; convert it to "
            "8-bit grey or RGB, scaled as you mean it."
        )


def _is_wide_png(picture: Image.Image) -> bool:
    """Whether a PNG has 16 bits for each colour, of which Pillow keeps the upper eight."""
    tiles = getattr(picture, "tile", ())
    return picture.format == "PNG" and any("16" in str(tile[3]) for tile in tiles)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in _WITH_TRANSPARENCY or "transparency" in picture.info:
        colour = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour)
    return picture
