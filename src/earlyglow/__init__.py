"""OOD detection with immature Glow models: reproduced, explained, and made fast."""

from earlyglow.datasets import DATASETS, DatasetError, ImageSet, dequantize, load_images
from earlyglow.detectors import LayerGradientDetector, LikelihoodDetector, TypicalityDetector
from earlyglow.flows import DenseGlow, Flow, Glow, bits_per_dim
from earlyglow.gradient_baselines import (
    LayerDensityDetector,
    RaoDetector,
    TotalNormDetector,
)
from earlyglow.gradients import LayerNorms, layer_gradient_norms
from earlyglow.input_complexity import InputComplexityDetector
from earlyglow.metrics import Interval, aupr, auroc, auroc_interval, fpr_at_tpr
from earlyglow.overlap import overlap_coefficient, overlap_interval
from earlyglow.short_circuit import GradientShortCircuit, gradient_consistency, split
from earlyglow.training import (
    CheckpointError,
    NonFiniteLossError,
    TrainingConfig,
    TrainingRun,
    load_weights,
    train,
)

__version__ = "0.1.0"

__all__ = [
    "DATASETS",
    "CheckpointError",
    "DatasetError",
    "DenseGlow",
    "Flow",
    "Glow",
    "GradientShortCircuit",
    "ImageSet",
    "InputComplexityDetector",
    "Interval",
    "LayerDensityDetector",
    "LayerGradientDetector",
    "LayerNorms",
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
    "dequantize",
    "fpr_at_tpr",
    "gradient_consistency",
    "layer_gradient_norms",
    "load_images",
    "load_weights",
    "overlap_coefficient",
    "overlap_interval",
    "split",
    "train",
]
