"""Figures tell the data sets apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earlyglow.datasets import DATASETS
from earlyglow_book.figures.histograms import two_histograms
from earlyglow_book.figures.style import line_style, look


def test_no_two_data_sets_look_alike() -> None:
    looks = [line_style(name) for name in DATASETS]
    for parts in (("color", "ls"), ("color", "marker")):
        assert len({tuple(str(look[part]) for part in parts) for look in looks}) == len(DATASETS)


def test_lines_of_one_colour_differ_otherwise() -> None:
    looks = [look("a score", turn) for turn in range(18)]
    for parts in (("color", "ls"), ("color", "marker")):
        assert len({tuple(str(line[part]) for part in parts) for line in looks}) == len(looks)


class OnAnotherDevice:
    """A tensor that must be fetched before NumPy can read it, as one on a GPU."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def cpu(self) -> torch.Tensor:
        return self.values


def test_scores_on_a_gpu_can_be_drawn() -> None:
    scores = [OnAnotherDevice(torch.linspace(0, 1 + i, 50)) for i in range(2)]
    figure = two_histograms({"gradients": tuple(scores)}, "Digits", "Textures")
    filled, outline = figure.axes[0].patches
    together = np.concatenate([s.values for s in scores])
    for patch in (filled, outline):
        assert patch.get_xy()[:, 0].max() == pytest.approx(np.quantile(together, 0.97))
