"""OOD detectors on top of a flow, with the interface of pytorch-ood: higher means more OOD."""

from earlyglow.detectors.base import GroupDetector, Images, StatisticsDetector
from earlyglow.detectors.gradient_baselines import (
    LayerDensityDetector,
    RaoDetector,
    TotalNormDetector,
)
from earlyglow.detectors.groups import mean_log_prob, mean_of_groups
from earlyglow.detectors.input_complexity import (
    Compressor,
    InputComplexityDetector,
    compressed_bits,
)
from earlyglow.detectors.layer_gradients import Guard, LayerGradientDetector
from earlyglow.detectors.likelihood import LikelihoodDetector, TypicalityDetector

__all__ = [
    "Compressor",
    "GroupDetector",
    "Guard",
    "Images",
    "InputComplexityDetector",
    "LayerDensityDetector",
    "LayerGradientDetector",
    "LikelihoodDetector",
    "RaoDetector",
    "StatisticsDetector",
    "TotalNormDetector",
    "TypicalityDetector",
    "compressed_bits",
    "mean_log_prob",
    "mean_of_groups",
]
