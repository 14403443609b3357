"""The paper's score: one Gaussian for the log gradient norm of each layer."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from earlyglow.checks import require_choice
from earlyglow.detectors.log_norms import LogNormDetector, finite
from earlyglow.gradients.layer_norms import Backend
from earlyglow.gradients.objectives import Objective

Guard = Literal["drop", "epsilon"]
_EPSILON = 1e-10


class LayerGradientDetector(LogNormDetector):
    """Sum over layers of the Gaussian negative log-likelihood of the log gradient norm.

    ``S_l = log ‖∇_{θ_l} ℓ‖²``; a Gaussian with the mean and the unbiased variance of each S_l on
    the fit set; score ``Σ_l (S_l - μ_l)² / (2 σ_l²) + log(2π σ_l²) / 2``.

    Args:
        model: a module with ``log_prob``, or with what the objective calls.
        group_size: images in a group; the Gaussians are fitted at the same size.
        objective: "log_prob" (the paper), "sum_z" (the released code), or a callable.
        backend: as in :func:`earlyglow.layer_gradient_norms`.
        guard: "drop" leaves out every tensor whose norm is zero for a fit group or constant over
            the fit set, and reports it in ``dropped``; "epsilon" keeps all of them with
            ``log(f + 1e-10)`` and ``σ² + 1e-10``, as the released code does.

    Attributes:
        dropped: after fitting, the names of the tensors left out.

    Raises:
        ValueError: an unknown guard; when fitting, an unknown backend or objective, fewer than 2
            groups, a norm that is NaN or infinite, or none that varies.
        RequiresFittingException: when scoring before fitting.

    Source: arXiv 2502.00820 (score and Gaussian fit); arXiv 2403.01485 (the method it builds on).
    """

    def __init__(
        self,
        model: nn.Module,
        group_size: int = 1,
        objective: str | Objective = "log_prob",
        backend: Backend = "auto",
        guard: Guard = "drop",
    ) -> None:
        super().__init__(model, group_size, objective, backend)
        require_choice("guard", guard, get_args(Guard))
        self.guard = guard

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        return self.layer_scores(statistics).sum(1)

    def layer_scores(self, statistics: Tensor) -> Tensor:
        """Each kept tensor's share of the score, (G, kept), from squared norms (G, L)."""
        fitted = self._fitted().on(statistics.device)
        logs = self._log(statistics)[:, fitted.kept]
        standardised = (logs - fitted.mean).square() / fitted.variance
        return 0.5 * (standardised + torch.log(2 * math.pi * fitted.variance))

    def _learn(self, statistics: Tensor) -> None:
        """The moments are all."""

    def _log(self, statistics: Tensor) -> Tensor:
        if self.guard == "epsilon":
            return torch.log(finite(statistics) + _EPSILON)
        return super()._log(statistics)

    def _guarded(self, variance: Tensor) -> Tensor:
        return variance + _EPSILON if self.guard == "epsilon" else variance

    def _usable(self, statistics: Tensor) -> Tensor:
        usable = super()._usable(statistics)
        return torch.ones_like(usable) if self.guard == "epsilon" else usable
