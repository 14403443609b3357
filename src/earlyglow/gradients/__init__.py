"""Exact per-sample, per-layer squared gradient norms of any likelihood model."""

from earlyglow.gradients.layer_norms import (
    LayerNorms,
    layer_gradient_norms,
    layer_gradient_norms_by_group,
)

__all__ = ["LayerNorms", "layer_gradient_norms", "layer_gradient_norms_by_group"]
