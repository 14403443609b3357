"""Tables in the form in which they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from torch import Tensor


def picture_table(kind: str, images: Tensor) -> pd.DataFrame:
    """Images (N, C, H, W) uint8 as rows: columns kind, shape, pixels."""
    shape = "x".join(map(str, images.shape[1:]))
    pixels = [image.cpu().numpy().tobytes() for image in images]
    return pd.DataFrame({"kind": kind, "shape": shape, "pixels": pixels})


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables one under the other, :func:`compact`."""
    return compact(pd.concat(tables, ignore_index=True))


def joined_parts(parts: Mapping[str, Iterable[pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """:func:`joined` for the parts of each of several tables, by name."""
    return {name: joined(tables) for name, tables in parts.items()}


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Names as categories, so that the files stay small."""
    names = ("dataset", "ood", "detector", "objective", "kind", "shape", "statistic")
    kinds = {"group_size": "int16", **dict.fromkeys(names, "category")}
    return table.astype({name: kind for name, kind in kinds.items() if name in table})
