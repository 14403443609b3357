"""Packages that take seconds to import, imported at their first use: the command line never waits.

Nothing that is evaluated while a module is imported may use them: no decorator, no default value.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from matplotlib import pyplot as plt
    from scipy import stats

__all__ = ["Deferred", "np", "pd", "plt", "stats", "torch"]


class Deferred:
    """Stands for a module and imports it when one of its names is asked for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._module), name)


if not TYPE_CHECKING:
    np = Deferred("numpy")
    pd = Deferred("pandas")
    plt = Deferred("matplotlib.pyplot")
    stats = Deferred("scipy.stats")
    torch = Deferred("torch")
