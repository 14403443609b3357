"""One picture file of any kind becomes 8-bit pixels of one shape, or is refused by name."""

from __future__ import annotations

import io
import os
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
# What Pillow may take a file for, whatever it is called: nothing that another program must draw.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_OTHER_SUFFIXES = frozenset(
    (".heic", ".heif", ".avif", ".jp2", ".psd", ".svg", ".dng", ".nef", ".cr2", ".cr3", ".arw")
)
# Modes of Pillow whose values are 8-bit, so that converting them changes no range.
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV")
_WITH_TRANSPARENCY = ("LA", "PA", "RGBA")


def picture_files(base: Path, warn: bool = True) -> list[Path]:
    """The pictures below a folder, in the order of their names on every system.

    Hidden files are passed over. Links are followed, but into no folder twice.

    Args:
        base: the folder.
        warn: whether pictures of kinds that are not read are named in a warning.

    Raises:
        DatasetError: a folder cannot be read.
    """
    found, seen, others = [], set(), []
    for name, folders, files in os.walk(base, onerror=_refuse_folder, followlinks=True):
        folder = Path(name)
        real = folder.resolve()
        folders[:] = [] if real in seen else sorted(filter(_is_shown, folders))
        if real in seen:
            continue
        seen.add(real)
        for path in (folder / file for file in files if _is_shown(file)):
            # What is no regular file, such as a pipe, would be waited for.
            if path.suffix.lower() in SUFFIXES and (path.is_file() or path.is_symlink()):
                found.append(path)
            elif path.suffix.lower() in _OTHER_SUFFIXES:
                others.append(path)
    if others and warn:
        warnings.warn(
            f"{len(others)} pictures of kinds that are not read are left out, the first of them "
            f"{shown(min(others))}; save them as PNG or JPEG.",
            stacklevel=3,
        )
    return sorted(found, key=lambda path: path.relative_to(base).as_posix())


def shown(file: Path) -> str:
    """A path that can be printed, whatever bytes its name has."""
    return str(file).encode("utf-8", "replace").decode()


def _is_shown(name: str) -> bool:
    return not name.startswith((".", "__MACOSX", "@eaDir"))


def _refuse_folder(error: OSError) -> None:
    raise DatasetError(
        f"{error.filename} cannot be read ({error.strerror}); change its permissions, or move it "
        "out of the folder."
    ) from error


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
            opened = io.BytesIO(file) if isinstance(file, bytes) else file
            with Image.open(opened, formats=_FORMATS) as picture:
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
    # A camera's JPEG may hold its preview or a map of depths as a second picture.
    if frames > 1 and picture.format != "MPO":
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
