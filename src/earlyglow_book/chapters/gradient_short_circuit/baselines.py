"""The detectors of pytorch-ood, and a faster GradNorm, on one classifier, and their scores."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_ood import detector as detectors
from pytorch_ood.api import Detector, GradientDetector
from torch import Tensor, nn

import earlyglow as eg
from earlyglow.gradients.model_state import evaluating
from earlyglow_book.chapters.gradient_short_circuit import GRAD_NORM_CLOSED_FORM
from earlyglow_book.chapters.gradient_short_circuit.inputs import BySet

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

    @property
    def fitting(self) -> tuple[Tensor, Tensor]:
        """What detectors are fitted on: flattened features (N, D) and labels (N,)."""
        return self.features.flatten(1), self.labels


def penultimate(model: nn.Module, training: eg.ImageSet) -> Penultimate:
    """The classifier cut after pooling, with training images for detectors that need fitting."""
    body, head = eg.split(model, "pool")
    features = eg.classifiers.predicted_logits(body, eg.datasets.centre(training.images))
    return Penultimate(body, head, model.classifier, features, training.labels)  # type: ignore[arg-type]


def on_images(model: nn.Module, cut: Penultimate) -> dict[str, Detector]:
    """Every baseline by name, ready to score images (N, C, H, W)."""
    return {**_detectors(cut.body, cut), "ODIN": detectors.ODIN(model)}


def on_features(cut: Penultimate) -> dict[str, Detector]:
    """The baselines but ODIN, ready to score features: as :func:`on_images`, body left out."""
    return _detectors(nn.Identity(), cut)


def new_classes(cut: Penultimate) -> dict[str, Detector]:
    """The baselines that change the logits: from features to the class that is predicted then."""
    return _changing_logits(nn.Identity(), cut, detector=lambda logits: logits.argmax(1))


def _detectors(body: nn.Module, cut: Penultimate) -> dict[str, Detector]:
    model, encoder = nn.Sequential(body, cut.head), nn.Sequential(body, nn.Flatten())
    weight, bias = cut.last.weight.detach(), cut.last.bias.detach()
    half = cut.features.shape[1] // 2
    (last_weight,) = (name for name, p in cut.head.named_parameters() if p is cut.last.weight)
    return {
        "MSP": detectors.MaxSoftmax(model),
        "MaxLogit": detectors.MaxLogit(model),
        "Energy": detectors.EnergyBased(model),
        "Mahalanobis": detectors.Mahalanobis(encoder).fit_features(*cut.fitting),
        "KNN": detectors.KNN(encoder).fit_features(*cut.fitting),
        "ViM": detectors.ViM(encoder, half, weight, bias).fit_features(*cut.fitting),
        **_changing_logits(body, cut),
        "GradNorm": detectors.GradNorm(model, lambda parameter: parameter.endswith(last_weight)),
        GRAD_NORM_CLOSED_FORM: ClosedFormGradNorm(encoder, cut.last),
    }


def _changing_logits(body: nn.Module, cut: Penultimate, **options: Any) -> dict[str, Detector]:
    encoder = nn.Sequential(body, nn.Flatten())
    last = cut.last.weight.detach(), cut.last.bias.detach()
    dice = detectors.DICE(encoder, *last, _DICE_SPARSITY, **options)
    return {
        "ReAct": detectors.ReAct(body, cut.head, **options).fit_feature_maps(
            cut.features, cut.labels
        ),
        "DICE": dice.fit_features(*cut.fitting),
        "ASH": detectors.ASH(body, cut.head, **options),
        "SCALE": detectors.SCALE(body, cut.head, **options),
    }


class ClosedFormGradNorm(Detector):
    """GradNorm of the last layer's weights without a backward pass; higher = more OOD.

    ``-‖h‖₁ Σ_c |1/C - p_c|`` with penultimate features h and softmax probabilities p.

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


def predicted(detector: Detector, x: Tensor) -> Tensor:
    """Scores (N,); pytorch-ood leaves it to its users to switch gradients off."""
    with nullcontext() if isinstance(detector, GradientDetector) else torch.no_grad():
        return detector.predict(x)


def scores_of(detector: Detector, model: nn.Module, x: Tensor) -> Tensor:
    """Scores (N,) of a detector in chunks, its networks in evaluation mode."""
    with evaluating(model):
        return torch.cat([predicted(detector, part).detach() for part in x.split(_CHUNK)]).cpu()


def scores_by_set(detector: Detector, model: nn.Module, sets: BySet) -> dict[str, Tensor]:
    """:func:`scores_of` for every set."""
    return {name: scores_of(detector, model, x) for name, x in sets.items()}
