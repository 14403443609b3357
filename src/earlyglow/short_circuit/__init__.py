"""Gradient Short-Circuit: OOD detection by cutting the features that a classifier leans on."""

from earlyglow.short_circuit.consistency import gradient_consistency
from earlyglow.short_circuit.detector import (
    AffineHeadWarning,
    Explanation,
    GradientShortCircuit,
    Importance,
    gradient_magnitude,
)
from earlyglow.short_circuit.splitting import SplitError, split

__all__ = [
    "AffineHeadWarning",
    "Explanation",
    "GradientShortCircuit",
    "Importance",
    "SplitError",
    "gradient_consistency",
    "gradient_magnitude",
    "split",
]
