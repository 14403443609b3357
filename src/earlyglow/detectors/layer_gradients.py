"""The paper's score: one Gaussian for the log gradient norm of each layer."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Literal, Self, get_args

import torch
from pytorch_ood.api import RequiresFittingException
from torch import Tensor, nn

from earlyglow.checks import require_choice
from earlyglow.detectors.base import StatisticsDetector
from earlyglow.gradients import LayerNorms, layer_gradient_norms
from earlyglow.gradients.objectives import Objective

log = logging.getLogger(__name__)

Guard = Literal["drop", "epsilon"]
_EPSILON = 1e-10


@dataclass(frozen=True)
class _Gaussians:
    """One Gaussian for each kept column: ``kept`` (L,) is a mask, the others have (kept,)."""

    kept: Tensor
    mean: Tensor
    variance: Tensor

    def on(self, device: torch.device) -> _Gaussians:
        """The same where the statistics lie, which may be another place than the fit's."""
        return _Gaussians(*(t.to(device) for t in (self.kept, self.mean, self.variance)))


class LayerGradientDetector(StatisticsDetector):
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

    requires_fit = True

    def __init__(
        self,
        model: nn.Module,
        group_size: int = 1,
        objective: str | Objective = "log_prob",
        backend: Literal["loop", "vmap", "batched"] = "batched",
        guard: Guard = "drop",
    ) -> None:
        super().__init__(model, group_size)
        require_choice("guard", guard, get_args(Guard))
        self.objective, self.backend, self.guard = objective, backend, guard
        self.names = tuple(name for name, _ in model.named_parameters())
        self.dropped: tuple[str, ...] = ()
        self._gaussians: _Gaussians | None = None

    def fit_from_norms(self, norms: LayerNorms) -> Self:
        """Fit on stored norms of in-distribution groups."""
        self._check_norms(norms)
        return self.fit_from_statistics(norms.values)

    def predict_from_norms(self, norms: LayerNorms) -> Tensor:
        """Score stored norms: (G,), higher = more OOD."""
        self._check_norms(norms)
        return self.predict_from_statistics(norms.values)

    def statistics(self, x: Tensor) -> Tensor:
        return layer_gradient_norms(
            self.model, x, self.group_size, self.backend, self.objective
        ).values

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        if len(statistics) < 2:
            raise ValueError(
                f"the fit set holds {len(statistics)} group, but a variance needs at least 2."
            )
        broken = ~statistics.isfinite().all(0)
        if broken.any():
            names = [n for n, b in zip(self.names, broken.tolist(), strict=True) if b]
            raise ValueError(
                f"the gradient norms of {len(names)} of {len(self.names)} tensors, {names[0]} "
                "among them, are NaN or infinite on the fit set; look for a diverged model."
            )
        logs = self._log(statistics)
        variance, mean = torch.var_mean(logs, dim=0)
        if self.guard == "epsilon":
            variance = variance + _EPSILON
        kept = (variance > 0) & ((statistics > 0).all(0) | (self.guard == "epsilon"))
        if not kept.any():
            raise ValueError(
                "every gradient norm is zero or constant on the fit set, so nothing can be "
                "scored; check the model and the objective."
            )
        self._gaussians = _Gaussians(kept, mean[kept], variance[kept])
        self.dropped = tuple(n for n, k in zip(self.names, kept.tolist(), strict=True) if not k)
        if self.dropped:
            log.info(
                "%d of %d tensors dropped (zero or constant gradient norm on the fit set): %s",
                len(self.dropped),
                len(self.names),
                ", ".join(self.dropped),
            )
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        return self.layer_scores(statistics).sum(1)

    def layer_scores(self, statistics: Tensor) -> Tensor:
        """Each kept tensor's share of the score, (G, kept), from squared norms (G, L)."""
        fitted = self._fitted().on(statistics.device)
        logs = self._log(statistics)[:, fitted.kept]
        standardised = (logs - fitted.mean).square() / fitted.variance
        return 0.5 * (standardised + torch.log(2 * math.pi * fitted.variance))

    def _log(self, statistics: Tensor) -> Tensor:
        values = statistics.double()
        if self.guard == "epsilon":
            return torch.log(values + _EPSILON)
        # A zero where the fit set had none is as far out as a float32 can say.
        return torch.log(values.clamp_min(torch.finfo(torch.float32).tiny))

    def _check_norms(self, norms: LayerNorms) -> None:
        if norms.group_size != self.group_size:
            raise ValueError(
                f"the norms are of groups of {norms.group_size}, but this detector has "
                f"group_size={self.group_size}; fit and score at the same size."
            )
        if norms.names != self.names:
            raise ValueError(
                f"the norms have {len(norms.names)} columns of another model; this detector's "
                f"model has {len(self.names)} parameter tensors."
            )

    def _require_fitted(self) -> None:
        self._fitted()

    def _fitted(self) -> _Gaussians:
        if self._gaussians is None:
            raise RequiresFittingException
        return self._gaussians
