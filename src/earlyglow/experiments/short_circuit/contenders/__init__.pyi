from .baselines import (
    ClosedFormGradNorm,
    Penultimate,
    new_classes,
    on_features,
    on_images,
)
from .names import GRAD_NORM_CLOSED_FORM
from .scoring import gradients_only_where_needed, in_chunks, scores_by_set, scores_of

__all__ = [
    "GRAD_NORM_CLOSED_FORM",
    "ClosedFormGradNorm",
    "Penultimate",
    "gradients_only_where_needed",
    "in_chunks",
    "new_classes",
    "on_features",
    "on_images",
    "scores_by_set",
    "scores_of",
]
