"""In which precision a GPU multiplies float32 numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

MatrixPrecision = Literal["ieee", "tf32"]


@contextmanager
def float32_products(precision: MatrixPrecision) -> Iterator[None]:
    """Products of float32 numbers are exact to float32 ("ieee") inside, or have TF32's 10 bits.

    Left alone, a GPU's convolutions are in TF32, which puts log norms off by up to a tenth. Nothing
    changes on a CPU. What was set before is set again afterwards.
    """
    places = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = precision
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
