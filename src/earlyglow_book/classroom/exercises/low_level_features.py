"""How rough a picture is, and patches in a new order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earlyglow_book.classroom.checking import Case, Exercise


def _cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(s, generator=generator),) for s in ((2, 1, 4, 4), (3, 3, 5, 7))]


def _roughness(images: Tensor) -> Tensor:
    down = (images[:, :, 1:] - images[:, :, :-1]).abs()
    across = (images[..., 1:] - images[..., :-1]).abs()
    return down.flatten(1).mean(1) + across.flatten(1).mean(1)


EXERCISES = {
    "roughness": Exercise(
        truth=_roughness,
        cases=_cases,
        mistakes={
            "differences of both signs cancel; take their sizes first.": lambda images: (
                images.diff(dim=2).flatten(1).mean(1) + images.diff(dim=3).flatten(1).mean(1)
            ),
            "this is one number for all images; each is to have its own.": lambda images: (
                _roughness(images).mean()
            ),
            "only neighbours in a row are compared; those in a column are missing.": (
                lambda images: images.diff(dim=3).abs().flatten(1).mean(1)
            ),
        },
    ),
}
