"""The detectors by gradients that a user may choose, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import earlyglow as eg
from earlyglow_book.parameters import Field

if TYPE_CHECKING:
    from torch import nn

    from earlyglow.detectors.log_norms import LogNormDetector

DetectorName = Literal["layer_gradients", "neighbours", "covariance", "residual"]
DetectorChoice = Annotated[
    DetectorName,
    Field(
        description="How the norms are read: the paper's Gaussian for each tensor "
        "(layer_gradients), the 5 nearest neighbours, a shrunk covariance, or a covariance without "
        "its 5 leading axes (residual).",
    ),
]
DEFAULT: DetectorName = "layer_gradients"
# Fewer span no five axes, and a covariance of fewer says little.
LEAST_GROUPS = 10


def build_detector(
    name: DetectorName, model: nn.Module, group_size: int = 1, objective: str = "log_prob"
) -> LogNormDetector:
    """A detector that is not fitted yet."""
    kinds = {
        "layer_gradients": eg.LayerGradientDetector,
        "neighbours": eg.LayerNeighbourDetector,
        "covariance": eg.LayerCovarianceDetector,
        "residual": eg.LayerResidualDetector,
    }
    return kinds[name](model, group_size, objective=objective)
