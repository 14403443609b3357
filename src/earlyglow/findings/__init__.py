"""The numbers that the last section of each chapter quotes, one module a chapter."""

from earlyglow.findings.cost import cost
from earlyglow.findings.dense_glow_full_size import beside_classroom, dense_glow_full_size
from earlyglow.findings.epoch_sweep import epoch_sweep
from earlyglow.findings.gradient_short_circuit import gradient_short_circuit
from earlyglow.findings.group_size import aurocs_by_size, group_size
from earlyglow.findings.kmnist_failure import kmnist_failure
from earlyglow.findings.likelihood_paradox import aurocs_by_detector, likelihood_paradox
from earlyglow.findings.low_level_features import distance_by_kind, low_level_features
from earlyglow.findings.released_code import beside_released, released_code
from earlyglow.findings.support_overlap import (
    correlations_across,
    correlations_within,
    support_overlap,
)
from earlyglow.findings.synthetic_augmentation import synthetic_augmentation
from earlyglow.findings.three_sweeps import three_sweeps
from earlyglow.findings.verdict import seeds_and_images, verdict

__all__ = [
    "aurocs_by_detector",
    "aurocs_by_size",
    "beside_classroom",
    "beside_released",
    "correlations_across",
    "correlations_within",
    "cost",
    "dense_glow_full_size",
    "distance_by_kind",
    "epoch_sweep",
    "gradient_short_circuit",
    "group_size",
    "kmnist_failure",
    "likelihood_paradox",
    "low_level_features",
    "released_code",
    "seeds_and_images",
    "support_overlap",
    "synthetic_augmentation",
    "three_sweeps",
    "verdict",
]
