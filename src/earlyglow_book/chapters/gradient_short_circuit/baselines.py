"""The detectors of pytorch-ood, and a faster GradNorm, on one classifier, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from pytorch_ood.api import Detector, GradientDetector
from pytorch_ood.detector import (
    ASH,
    DICE,
    KNN,
    ODIN,
    SCALE,
    EnergyBased,
    GradNorm,
    Mahalanobis,
    MaxLogit,
    MaxSoftmax,
    ReAct,
    ViM,
)
from torch import Tensor, nn

from earlyglow.classifiers import predicted_logits
from earlyglow.datasets.dequantization import centre
from earlyglow.datasets.image_set import ImageSet
from earlyglow.gradients.model_state import evaluating
from earlyglow.short_circuit import split
from earlyglow_book.chapters.gradient_short_circuit.names import GRAD_NORM_CLOSED_FORM

# Of DICE's paper for CIFAR; the library has no default.
_DICE_SPARSITY = 0.9
_CHUNK = 256


@dataclass(frozen=True)
class Penultimate:
    """A classifier cut before its last layer, and the ID images that detectors are fitted on.

    Attributes:
        body: from images to pooled features (N, D, 1, 1).
        head: from those to logits (N, C); its only weights are the last layer's.
        last: the last layer.
        features: (N, D, 1, 1) of training images.
        labels: int64 (N,) of them.
    """

    body: nn.Module
    head: nn.Module
    last: nn.Linear
    features: Tensor
    labels: Tensor


def penultimate(model: nn.Module, training: ImageSet) -> Penultimate:
    """The classifier cut after pooling, with training images for detectors that need fitting."""
    body, head = split(model, "pool")
    features = predicted_logits(body, centre(training.images))
    return Penultimate(body, head, model.classifier, features, training.labels)  # type: ignore[arg-type]


def on_images(model: nn.Module, cut: Penultimate) -> dict[str, Detector]:
    """Every baseline by name, ready to score images (N, C, H, W)."""
    return {**_detectors(cut.body, cut), "ODIN": ODIN(model)}


def on_features(cut: Penultimate) -> dict[str, Detector]:
    """Every baseline that needs no gradient down to the image, ready to score features.

    The scores are those of :func:`on_images` without a forward pass for each.
    """
    return _detectors(nn.Identity(), cut)


def new_classes(cut: Penultimate) -> dict[str, Detector]:
    """The baselines that change the logits: from features to the class that is predicted then."""
    maps, flat, labels = cut.features, cut.features.flatten(1), cut.labels
    weight, bias = cut.last.weight.detach(), cut.last.bias.detach()
    same, encoder = nn.Identity(), nn.Flatten()
    dice = DICE(encoder, weight, bias, _DICE_SPARSITY, detector=_classes)
    return {
        "ReAct": ReAct(same, cut.head, detector=_classes).fit_feature_maps(maps, labels),
        "DICE": dice.fit_features(flat, labels),
        "ASH": ASH(same, cut.head, detector=_classes),
        "SCALE": SCALE(same, cut.head, detector=_classes),
    }


def _classes(logits: Tensor) -> Tensor:
    return logits.argmax(1)


def _detectors(body: nn.Module, cut: Penultimate) -> dict[str, Detector]:
    model, encoder = nn.Sequential(body, cut.head), nn.Sequential(body, nn.Flatten())
    maps, flat, labels = cut.features, cut.features.flatten(1), cut.labels
    weight, bias = cut.last.weight.detach(), cut.last.bias.detach()
    return {
        "MSP": MaxSoftmax(model),
        "MaxLogit": MaxLogit(model),
        "Energy": EnergyBased(model),
        "Mahalanobis": Mahalanobis(encoder).fit_features(flat, labels),
        "KNN": KNN(encoder).fit_features(flat, labels),
        "ViM": ViM(encoder, flat.shape[1] // 2, weight, bias).fit_features(flat, labels),
        "ReAct": ReAct(body, cut.head).fit_feature_maps(maps, labels),
        "DICE": DICE(encoder, weight, bias, _DICE_SPARSITY).fit_features(flat, labels),
        "ASH": ASH(body, cut.head),
        "SCALE": SCALE(body, cut.head),
        "GradNorm": GradNorm(model, _is_last_weight(cut)),
        GRAD_NORM_CLOSED_FORM: ClosedFormGradNorm(encoder, cut.last),
    }


def _is_last_weight(cut: Penultimate) -> Callable[[str], bool]:
    (name,) = (name for name, p in cut.head.named_parameters() if p is cut.last.weight)
    return lambda parameter: parameter.endswith(name)


class ClosedFormGradNorm(Detector):
    """GradNorm of the last layer's weights without a backward pass.

    ``-‖h‖₁ Σ_c |1/C - p_c|`` with penultimate features h and softmax probabilities p; higher =
    more OOD.

    Source: Huang et al., arXiv 2110.00218, section 3 (T = 1).
    """

    def __init__(self, encoder: nn.Module, last: nn.Linear) -> None:
        self.encoder, self.last = encoder, last

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Score images (N, C, H, W): (N,)."""
        features = self.encoder(x)
        probabilities = self.last(features).softmax(1)
        uniform = 1 / probabilities.shape[1]
        return -features.abs().sum(1) * (probabilities - uniform).abs().sum(1)


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
