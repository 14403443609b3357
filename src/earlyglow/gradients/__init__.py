"""Exact per-sample, per-layer squared gradient norms of any likelihood model."""

from earlyglow.gradients.auto import SlowerWayWarning
from earlyglow.gradients.contributions import Dense, Outer
from earlyglow.gradients.layer_norms import (
    LayerNorms,
    layer_gradient_norms,
    layer_gradient_norms_by_group,
)
from earlyglow.gradients.memory import TensorMemory
from earlyglow.gradients.rules import Use, register

__all__ = [
    "Dense",
    "LayerNorms",
    "Outer",
    "SlowerWayWarning",
    "TensorMemory",
    "Use",
    "layer_gradient_norms",
    "layer_gradient_norms_by_group",
    "register",
]
