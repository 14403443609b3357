"""Where the files lie that come with the code: in the installed package, or in the checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parents[1]


def shipped(name: str) -> Path:
    """The file or folder of that name: ``_name`` in a wheel, ``name`` at the top of a checkout."""
    packaged = PACKAGE / f"_{name.lstrip('_')}"
    return packaged if packaged.exists() else CHECKOUT / name
