"""How good a classifier is: its logits on a set, and how far its confidence can be believed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earlyglow.gradients.model_state import evaluating

_CHUNK = 512


@torch.no_grad()
def predicted_logits(model: nn.Module, x: Tensor) -> Tensor:
    """Logits (N, classes) of images (N, C, H, W), in evaluation mode and in chunks."""
    with evaluating(model):
        return torch.cat([model(chunk) for chunk in x.split(_CHUNK)])


def calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error: mean distance of accuracy and confidence over confidence bins.

    Args:
        logits: (N, classes).
        labels: int64 (N,).
        bins: of equal width on [0, 1].

    Returns:
        A share in [0, 1].

    Source: Guo et al., arXiv 1706.04599, equation 3.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    correct = (predicted == labels).double()
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, index, correct - confidence)
    return (gaps.abs().sum() / len(labels)).item()
