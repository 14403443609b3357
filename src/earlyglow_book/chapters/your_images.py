"""From a folder of pictures to a score for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import style
from earlyglow_book.deferred import np
from earlyglow_book.experiment import Chapter
from earlyglow_book.parameters import Field, ParameterError, Whole, known_dataset, parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from earlyglow.datasets.image_set import ImageSet


@parameters
class YourImages(Chapter):
    """Which pictures are familiar, and which are tried on them."""

    name: ClassVar[str] = "your_images"

    id_dataset: str = Field(
        default="", description="The ID set; empty for pictures drawn on the spot."
    )
    ood_dataset: str = Field(
        default="", description="The OOD set; empty for pictures drawn on the spot."
    )
    epochs: Whole = Field(default=3, ge=1, le=200, description="Passes over the ID pictures.")

    def __post_init__(self) -> None:
        if bool(self.id_dataset) != bool(self.ood_dataset):
            raise ParameterError(
                "one of id_dataset and ood_dataset is empty; give both, or neither for drawn "
                "pictures."
            )
        for name in filter(None, (self.id_dataset, self.ood_dataset)):
            known_dataset(name)


def draw_pictures(folder: Path, count: int = 150) -> tuple[Path, Path]:
    """Draw discs and stripes as picture files of several formats and sizes, in two folders."""
    from PIL import Image

    generator = np.random.default_rng(0)
    made = folder / "discs", folder / "stripes"
    for kind, path in enumerate(made):
        path.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            height, width = generator.integers(24, 64, 2)
            down, across = np.mgrid[:height, :width]
            if kind == 0:
                radius = min(height, width) * generator.uniform(0.2, 0.45)
                middle = np.hypot(across - width / 2, down - height / 2) < radius
            else:
                angle, waves = generator.uniform(0, np.pi), generator.uniform(0.3, 0.9)
                middle = np.sin(waves * (across * np.cos(angle) + down * np.sin(angle))) > 0
            colours = generator.uniform(0, 255, (2, 3))
            noisy = np.where(middle[..., None], *colours) + generator.normal(
                0, 6, (*middle.shape, 3)
            )
            picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            picture.save(path / f"{i:03}.{('png', 'jpg', 'webp', 'bmp', 'tif')[i % 5]}")
    return made


def strip(images: ImageSet, order: Tensor, scores: Tensor, count: int = 8) -> Figure:
    """The first pictures of an order in a row, each with its score; scores (N,) are of all."""
    with style.style(axes_grid=False):
        figure, axes = style.panels(count, height=1.4)
        for axis, place in zip(axes, order[:count].tolist(), strict=False):
            axis.imshow(images.images[place].permute(1, 2, 0).squeeze(-1), cmap="gray")
            axis.set_title(f"{scores[place]:.0f}", fontsize="small")
        for axis in axes:
            axis.set_axis_off()
    return figure


def small_flow(shape: tuple[int, int, int]) -> eg.Glow:
    """A Glow for images of a size; it needs a side that halves twice."""
    _, height, _ = shape
    levels = 2 if height % 4 == 0 else 1
    return eg.Glow(shape, levels=levels, steps=2, hidden=32)
