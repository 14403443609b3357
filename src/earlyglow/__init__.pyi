from . import checks as checks
from . import classifiers as classifiers
from . import datasets as datasets
from . import detectors as detectors
from . import flows as flows
from . import gradients as gradients
from . import metrics as metrics
from . import overlap as overlap
from . import short_circuit as short_circuit
from . import training as training
from .datasets import (
    DATASETS,
    DatasetError,
    ImageSet,
    dequantize,
    halves,
    load_folder,
    load_images,
    subset,
)
from .detectors import (
    ImageStatisticsDetector,
    InputComplexityDetector,
    LayerCovarianceDetector,
    LayerDensityDetector,
    LayerGradientDetector,
    LayerNeighbourDetector,
    LayerResidualDetector,
    LikelihoodDetector,
    RaoDetector,
    TotalNormDetector,
    TypicalityDetector,
    combine,
    conformal_p_values,
    load_detector,
    save_detector,
)
from .flows import DenseGlow, Flow, Glow, bits_per_dim
from .gradients import LayerNorms, layer_gradient_norms
from .metrics import Interval, aupr, auroc, auroc_interval, fpr_at_tpr, threshold
from .overlap import overlap_coefficient, overlap_interval
from .short_circuit import GradientShortCircuit, gradient_consistency, split
from .training import (
    CheckpointError,
    NonFiniteLossError,
    TrainingConfig,
    TrainingRun,
    load_weights,
    train,
)

__version__: str

__all__ = [
    "DATASETS",
    "CheckpointError",
    "DatasetError",
    "DenseGlow",
    "Flow",
    "Glow",
    "GradientShortCircuit",
    "ImageSet",
    "ImageStatisticsDetector",
    "InputComplexityDetector",
    "Interval",
    "LayerCovarianceDetector",
    "LayerDensityDetector",
    "LayerGradientDetector",
    "LayerNeighbourDetector",
    "LayerNorms",
    "LayerResidualDetector",
    "LikelihoodDetector",
    "NonFiniteLossError",
    "RaoDetector",
    "TotalNormDetector",
    "TrainingConfig",
    "TrainingRun",
    "TypicalityDetector",
    "aupr",
    "auroc",
    "auroc_interval",
    "bits_per_dim",
    "combine",
    "conformal_p_values",
    "dequantize",
    "fpr_at_tpr",
    "gradient_consistency",
    "halves",
    "layer_gradient_norms",
    "load_detector",
    "load_folder",
    "load_images",
    "load_weights",
    "overlap_coefficient",
    "overlap_interval",
    "save_detector",
    "split",
    "subset",
    "threshold",
    "train",
]
