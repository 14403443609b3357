"""Images in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from earlyglow_book.figures.style import WIDTH, style


def picture_rows(pictures: pd.DataFrame, rows: dict[str, tuple[str, float]]) -> Figure:
    """Rows of stored pictures; of each row its label, kind and epoch."""
    images = {
        label: unpack(pictures[(pictures["kind"] == kind) & (pictures["epoch"] == epoch)])
        for label, (kind, epoch) in rows.items()
    }
    return image_rows({label: row for label, row in images.items() if len(row)})


def image_rows(rows: dict[str, NDArray[np.uint8]]) -> Figure:
    """One row of images for each label; images uint8 (N, C, H, W)."""
    count = max(len(images) for images in rows.values())
    with style():
        cell = (WIDTH - 1.2) / count
        figure, axes = plt.subplots(
            len(rows), 1, figsize=(WIDTH, (cell + 0.06) * len(rows)), squeeze=False
        )
        for axis, (label, images) in zip(axes[:, 0], rows.items(), strict=True):
            _show_row(axis, images, count)
            axis.set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def samples_of(pictures: pd.DataFrame, epochs: Sequence[float]) -> dict[str, tuple[str, float]]:
    """The rows for :func:`picture_rows` that hold samples, in the order of the epochs."""
    kept = set(pictures.loc[pictures["kind"] == "sample", "epoch"])
    return {f"epoch {epoch:g}": ("sample", epoch) for epoch in epochs if epoch in kept}


def unpack(pictures: pd.DataFrame) -> NDArray[np.uint8]:
    """Stored pictures as uint8 (N, C, H, W)."""
    if not len(pictures):
        return np.zeros((0, 1, 1, 1), np.uint8)
    shape = tuple(map(int, pictures["shape"].iloc[0].split("x")))
    flat = [np.frombuffer(pixels, np.uint8) for pixels in pictures["pixels"]]
    return np.stack(flat).reshape(-1, *shape)


def _show_row(axis: Axes, images: NDArray[np.uint8], count: int) -> None:
    _, channels, height, width = images.shape
    strip = np.full((height, count * (width + 1) - 1, channels), 255, np.uint8)
    for i, image in enumerate(images):
        left = i * (width + 1)
        strip[:, left : left + width] = image.transpose(1, 2, 0)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if channels == 1 else {}
    axis.imshow(strip[..., 0] if channels == 1 else strip, interpolation="nearest", **grey)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)
