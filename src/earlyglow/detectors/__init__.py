"""OOD detectors on top of a flow, with the interface of pytorch-ood: higher means more OOD."""

from earlyglow.detectors.base import GroupDetector, Images, StatisticsDetector
from earlyglow.detectors.combining import (
    CombinedDetector,
    Rule,
    Side,
    combine,
    conformal_p_values,
)
from earlyglow.detectors.gradient_baselines import (
    LayerDensityDetector,
    RaoDetector,
    TotalNormDetector,
)
from earlyglow.detectors.groups import mean_log_prob, mean_of_groups
from earlyglow.detectors.image_statistics import (
    IMAGE_STATISTICS,
    ImageStatisticsDetector,
    image_statistics,
)
from earlyglow.detectors.input_complexity import (
    Compressor,
    InputComplexityDetector,
    compressed_bits,
)
from earlyglow.detectors.joint_readings import (
    LayerCovarianceDetector,
    LayerNeighbourDetector,
    LayerResidualDetector,
)
from earlyglow.detectors.layer_gradients import Guard, LayerGradientDetector
from earlyglow.detectors.likelihood import LikelihoodDetector, TypicalityDetector
from earlyglow.detectors.log_norms import LogNormDetector
from earlyglow.detectors.saving import DetectorFileError, load_detector, save_detector

__all__ = [
    "IMAGE_STATISTICS",
    "CombinedDetector",
    "Compressor",
    "DetectorFileError",
    "GroupDetector",
    "Guard",
    "ImageStatisticsDetector",
    "Images",
    "InputComplexityDetector",
    "LayerCovarianceDetector",
    "LayerDensityDetector",
    "LayerGradientDetector",
    "LayerNeighbourDetector",
    "LayerResidualDetector",
    "LikelihoodDetector",
    "LogNormDetector",
    "RaoDetector",
    "Rule",
    "Side",
    "StatisticsDetector",
    "TotalNormDetector",
    "TypicalityDetector",
    "combine",
    "compressed_bits",
    "conformal_p_values",
    "image_statistics",
    "load_detector",
    "mean_log_prob",
    "mean_of_groups",
    "save_detector",
]
