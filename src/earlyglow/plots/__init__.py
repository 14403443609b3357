"""Figures in one style: readable at book width and in greyscale, axes with units."""

from earlyglow.plots.cost import cost_by_batch_size, speeds_of
from earlyglow.plots.heatmaps import auroc_heatmaps
from earlyglow.plots.intervals import by_epoch, intervals_by_row
from earlyglow.plots.pictures import image_rows, picture_rows, samples_of, unpack
from earlyglow.plots.short_circuit import auroc_by_fraction, detector_heatmap
from earlyglow.plots.studies import (
    auroc_by_group_size,
    correlations,
    layer_aurocs,
    lines_by_variant,
    maturity,
    mixed_groups,
    overlap_over_epochs,
    separation_by_group_size,
    two_detectors,
    wrong_density,
)
from earlyglow.plots.style import style
from earlyglow.plots.sweeps import (
    auroc_over_epochs,
    bits_per_dim_over_epochs,
    detector_comparison,
    loss_curves,
    score_histograms,
    two_histograms,
)
from earlyglow.titles import detector_title, title_of

__all__ = [
    "auroc_by_fraction",
    "auroc_by_group_size",
    "auroc_heatmaps",
    "auroc_over_epochs",
    "bits_per_dim_over_epochs",
    "by_epoch",
    "correlations",
    "cost_by_batch_size",
    "detector_comparison",
    "detector_heatmap",
    "detector_title",
    "image_rows",
    "intervals_by_row",
    "layer_aurocs",
    "lines_by_variant",
    "loss_curves",
    "maturity",
    "mixed_groups",
    "overlap_over_epochs",
    "picture_rows",
    "samples_of",
    "score_histograms",
    "separation_by_group_size",
    "speeds_of",
    "style",
    "title_of",
    "two_detectors",
    "two_histograms",
    "unpack",
    "wrong_density",
]
