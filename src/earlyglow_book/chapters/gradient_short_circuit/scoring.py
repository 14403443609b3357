"""Scores of any detector, a chunk of images at a time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from pytorch_ood.api import Detector, GradientDetector
from torch import Tensor, nn

from earlyglow.gradients.model_state import evaluating

_CHUNK = 256


def scores_of(detector: Detector, model: nn.Module, x: Tensor) -> Tensor:
    """Scores (N,) of a detector in chunks, its networks in evaluation mode."""
    with evaluating(model), gradients_only_where_needed(detector):
        parts = [detector.predict(chunk).detach() for chunk in x.split(_CHUNK)]
    return torch.cat(parts).cpu()


def gradients_only_where_needed(detector: Detector) -> AbstractContextManager[object]:
    """pytorch-ood leaves it to its users to switch gradients off."""
    return nullcontext() if isinstance(detector, GradientDetector) else torch.no_grad()


def scores_by_set(
    detector: Detector, model: nn.Module, sets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """:func:`scores_of` for every set."""
    return {name: scores_of(detector, model, x) for name, x in sets.items()}


@torch.no_grad()
def in_chunks(network: nn.Module, x: Tensor) -> Tensor:
    """Outputs of a network in evaluation mode, a chunk at a time."""
    with evaluating(network):
        return torch.cat([network(chunk) for chunk in x.split(_CHUNK)])
