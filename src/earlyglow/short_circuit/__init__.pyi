from .consistency import gradient_consistency
from .detector import (
    AffineHeadWarning,
    Explanation,
    GradientShortCircuit,
)
from .importance import Importance, gradient_magnitude
from .splitting import SplitError, split

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
