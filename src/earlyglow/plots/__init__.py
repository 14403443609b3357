"""Figures in one style: readable at book width and in greyscale, axes with units."""

from earlyglow.plots.cost import cost_by_batch_size, speeds_of
from earlyglow.plots.pictures import image_rows, picture_rows, samples_of, unpack
from earlyglow.plots.style import style, title_of
from earlyglow.plots.sweeps import (
    auroc_over_epochs,
    bits_per_dim_over_epochs,
    detector_comparison,
    detector_title,
    score_histograms,
    two_histograms,
)

__all__ = [
    "auroc_over_epochs",
    "bits_per_dim_over_epochs",
    "cost_by_batch_size",
    "detector_comparison",
    "detector_title",
    "image_rows",
    "picture_rows",
    "samples_of",
    "score_histograms",
    "speeds_of",
    "style",
    "title_of",
    "two_histograms",
    "unpack",
]
