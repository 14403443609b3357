"""Figures tell the data sets apart."""

from __future__ import annotations

from earlyglow.datasets import DATASETS
from earlyglow.plots.style import line_style


def test_no_two_data_sets_look_alike() -> None:
    looks = [line_style(name) for name in DATASETS]
    for parts in (("color", "ls"), ("color", "marker")):
        assert len({tuple(str(look[part]) for part in parts) for look in looks}) == len(DATASETS)
