from .base import GroupDetector, Images, StatisticsDetector
from .gradient_baselines import LayerDensityDetector, RaoDetector, TotalNormDetector
from .groups import mean_log_prob, mean_of_groups
from .input_complexity import Compressor, InputComplexityDetector, compressed_bits
from .layer_gradients import Guard, LayerGradientDetector
from .likelihood import LikelihoodDetector, TypicalityDetector

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
