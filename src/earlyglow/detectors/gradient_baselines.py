"""Other scores made of the same gradients, to see what the layers and the Gaussians bring."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.func import vmap

from earlyglow.detectors.base import GroupDetector, Images, StatisticsDetector, fitted
from earlyglow.detectors.layer_gradients import LayerGradientDetector
from earlyglow.detectors.log_norms import finite
from earlyglow.gradients import layer_gradient_norms
from earlyglow.gradients.model_state import evaluating
from earlyglow.gradients.objectives import checked, log_prob
from earlyglow.gradients.vmap import gradients_of_a_group

_KDE_NUMBERS = 2**25
_FISHER_FLOOR = 1e-8
# Single gradients that are held at once: a gigabyte of them in float32.
_GRADIENT_NUMBERS = 2**28
_LARGEST_CHUNK = 16


class LayerDensityDetector(LayerGradientDetector):
    """A kernel density instead of a Gaussian for each layer's log norm, log-densities summed.

    Each density has Gaussian kernels with the bandwidth of Scott's rule, ``σ n^(-1/5)``. Tensors
    are left out as :class:`LayerGradientDetector` leaves them out.

    Source: Morningstar et al., arXiv 2006.09273 (density of states estimation), with the layers'
    gradient norms as the statistics.
    """

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        super().fit_from_statistics(statistics)
        self._centres = self._log(statistics)[:, self._fitted().kept]
        return self

    def layer_scores(self, statistics: Tensor) -> Tensor:
        """Negative log-density of each kept tensor's log norm, (G, kept)."""
        moments = self._fitted().on(statistics.device)
        logs = self._log(statistics)[:, moments.kept]
        centres = self._centres.to(statistics.device)
        count = len(centres)
        bandwidth = moments.variance.sqrt() * count**-0.2
        normalisation = math.log(count) + torch.log(bandwidth) + 0.5 * math.log(2 * math.pi)
        parts = []
        for some in logs.split(max(1, _KDE_NUMBERS // centres.numel())):
            distance = (some[:, None] - centres) / bandwidth
            # The nearest centre keeps far-away densities finite, where a plain sum is zero.
            parts.append(normalisation - torch.logsumexp(-0.5 * distance.square(), dim=1))
        return torch.cat(parts)


class TotalNormDetector(StatisticsDetector):
    """One Gaussian for the logarithm of the whole gradient's squared norm: no layers.

    The statistics are the squared norms (G, L) of :func:`earlyglow.layer_gradient_norms`.
    """

    requires_fit = True

    def __init__(self, model: nn.Module, group_size: int = 1) -> None:
        super().__init__(model, group_size)
        self._moments: tuple[Tensor, Tensor] | None = None

    def statistics(self, x: Tensor) -> Tensor:
        return layer_gradient_norms(self.model, x, self.group_size).values

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        self._require_two_groups(statistics)
        logs = _log_total(statistics)
        mean, deviation = logs.mean(), logs.std()
        if not (deviation.isfinite() and deviation > 0):
            raise ValueError(
                f"the fit set's log gradient norms have deviation {deviation.item()}, but it must "
                "be finite and above 0; check the model and the fit set."
            )
        self._moments = mean, deviation
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        mean, deviation = (moment.to(statistics.device) for moment in fitted(self._moments))
        return -Normal(mean, deviation).log_prob(_log_total(statistics))

    def _require_fitted(self) -> None:
        fitted(self._moments)


class RaoDetector(GroupDetector):
    """Rao's score statistic with a diagonal Fisher matrix: ``Σ_i g_i² / (F_i + 1e-8)``.

    g is the gradient of the group's summed log-likelihood with respect to each single parameter,
    and F its mean square over the fit groups. Higher means more OOD.

    Args:
        model: a module with ``log_prob``.
        group_size: images in a group; F is taken at the same size.

    Source: Bergamin et al. 2022 (model-agnostic OOD detection by combined tests); its square root
    there orders samples in the same way.
    """

    requires_fit = True

    def __init__(self, model: nn.Module, group_size: int = 1) -> None:
        super().__init__(model, group_size)
        self._inverse_fisher: Tensor | None = None

    def fit(self, data: Images) -> Self:
        total, count = torch.zeros(()), 0
        for x in self._whole_groups(data):
            for gradients in self._gradients(x):
                total = total.to(gradients) + gradients.square().sum(0)
                count += len(gradients)
        if not total.isfinite().all():
            raise ValueError(
                "a gradient of the fit set is NaN or infinite; look for a diverged model."
            )
        self._inverse_fisher = 1 / (total / count + _FISHER_FLOOR)
        return self

    def _scores(self, x: Tensor) -> Tensor:
        inverse = fitted(self._inverse_fisher)
        return torch.cat([gradients.square() @ inverse for gradients in self._gradients(x)])

    def _gradients(self, x: Tensor) -> Iterator[Tensor]:
        """Gradients (some groups, all parameters) of the groups of x, a few groups at a time."""
        whole = len(x) // self.group_size * self.group_size
        groups = x[:whole].unflatten(0, (-1, self.group_size))
        with evaluating(self.model):
            gradients_of = gradients_of_a_group(self.model, checked(log_prob), x[:1])

            def flat(group: Tensor) -> Tensor:
                return torch.cat([gradient.flatten() for gradient in gradients_of(group)])

            count = sum(parameter.numel() for parameter in self.model.parameters())
            chunk = min(max(_GRADIENT_NUMBERS // count, 1), _LARGEST_CHUNK)
            for some in groups.split(chunk):
                yield vmap(flat)(some)

    def _require_fitted(self) -> None:
        fitted(self._inverse_fisher)


def _log_total(statistics: Tensor) -> Tensor:
    return finite(finite(statistics).sum(1)).clamp_min(torch.finfo(torch.float32).tiny).log()
