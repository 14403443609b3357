"""Numbers as the text of a page has them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Texts = dict[str, str]

# A hyphen that begins a number: not that of 2026-11-27, 1e-5 or 20-21.
_MINUS = re.compile(r"(?<![\w.)-])-(?=\.?\d)")


def as_text(value: float, low: float, high: float) -> str:
    """A number with its interval for the text: "0.538 [0.503, 0.574]"; alone if it has none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def with_interval(row: pd.Series, value: str = "auroc") -> str:
    """A row's number with its interval, from the columns ``value``, low and high."""
    return as_text(row[value], row["low"], row["high"])


def typeset(text: str) -> str:
    """The text with the minus sign of print before its negative numbers."""
    return _MINUS.sub("\N{MINUS SIGN}", text)


def formatted(form: str, **numbers: float) -> Texts:
    """Every number in one format: ``formatted(".2f", area=0.5)`` is ``{"area": "0.50"}``."""
    return {name: f"{number:{form}}" for name, number in numbers.items()}


def from_to(values: pd.Series) -> str:
    """The smallest and the largest value: "-0.089 to +0.186" where some are negative."""
    sign = "+" if (values < 0).any() else ""
    return f"{values.min():{sign}.3f} to {values.max():{sign}.3f}"


def prefixed(prefix: str, texts: Mapping[str, str]) -> Texts:
    """The texts under names that begin with the prefix."""
    return {f"{prefix}_{name}": text for name, text in texts.items()}
