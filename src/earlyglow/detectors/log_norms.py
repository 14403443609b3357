"""What detectors on the logarithms of the layers' gradient norms have in common."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from earlyglow.detectors.base import StatisticsDetector, fitted
from earlyglow.gradients import LayerNorms, layer_gradient_norms
from earlyglow.gradients.layer_norms import Backend
from earlyglow.gradients.objectives import Objective

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moments:
    """Of the fit groups' log norms: ``kept`` (L,) is a mask, the others have (kept,)."""

    kept: Tensor
    mean: Tensor
    variance: Tensor

    def on(self, device: torch.device) -> Moments:
        """The same where the statistics lie, which may be another place than the fit's."""
        return Moments(*(t.to(device) for t in (self.kept, self.mean, self.variance)))


def finite(norms: Tensor) -> Tensor:
    """Norms in float64, one that overflowed as the largest of its type; NaN stays.

    Norms of images far from all that a flow was trained on may lie beyond float32, and such images
    are scored, as far out as the type can say.
    """
    return norms.double().nan_to_num(nan=torch.nan, posinf=torch.finfo(norms.dtype).max)


class LogNormDetector(StatisticsDetector):
    """A detector that reads ``S_l = log ‖∇_{θ_l} ℓ‖²`` of every parameter tensor l.

    Tensors whose norm is zero for a fit group, or constant over the fit set, are left out.

    Attributes:
        names: of the model's L parameter tensors.
        dropped: after fitting, the names of the tensors left out.
    """

    requires_fit = True

    def __init__(
        self,
        model: nn.Module,
        group_size: int = 1,
        objective: str | Objective = "log_prob",
        backend: Backend = "auto",
    ) -> None:
        super().__init__(model, group_size)
        self.objective, self.backend = objective, backend
        self.names = tuple(name for name, _ in model.named_parameters())
        self.dropped: tuple[str, ...] = ()
        self._moments: Moments | None = None

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
        self._require_two_groups(statistics)
        broken = ~statistics.isfinite().all(0)
        if broken.any():
            names = [n for n, b in zip(self.names, broken.tolist(), strict=True) if b]
            raise ValueError(
                f"the gradient norms of {len(names)} of {len(self.names)} tensors, {names[0]} "
                "among them, are NaN or infinite on the fit set; look for a diverged model."
            )
        variance, mean = torch.var_mean(self._log(statistics), dim=0)
        variance = self._guarded(variance)
        kept = (variance > 0) & self._usable(statistics)
        if not kept.any():
            raise ValueError(
                "every gradient norm is zero or constant on the fit set, so nothing can be "
                "scored; check the model and the objective."
            )
        self._moments = Moments(kept, mean[kept], variance[kept])
        self.dropped = tuple(n for n, k in zip(self.names, kept.tolist(), strict=True) if not k)
        if self.dropped:
            log.info(
                "%d of %d tensors dropped (zero or constant gradient norm on the fit set): %s",
                len(self.dropped),
                len(self.names),
                ", ".join(self.dropped),
            )
        self._learn(statistics)
        return self

    @abstractmethod
    def _learn(self, statistics: Tensor) -> None:
        """Learn the rest from the fit set's finite norms (G, L), the moments being known."""

    def standardised(self, statistics: Tensor) -> Tensor:
        """Log norms (G, kept) less the fit groups' mean, in their deviations, in float64."""
        moments = self._fitted().on(statistics.device)
        logs = self._log(statistics)[:, moments.kept]
        return (logs - moments.mean) / moments.variance.sqrt()

    def deviations(self) -> Tensor:
        """The fit groups' deviation of each kept log norm, (kept,)."""
        return self._fitted().variance.sqrt()

    def _log(self, statistics: Tensor) -> Tensor:
        # A zero where the fit set had none is as far out as a float32 can say.
        return torch.log(finite(statistics).clamp_min(torch.finfo(torch.float32).tiny))

    def _guarded(self, variance: Tensor) -> Tensor:
        return variance

    def _usable(self, statistics: Tensor) -> Tensor:
        """Which tensors (L,) have a log norm for every fit group."""
        return (statistics > 0).all(0)

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

    def _fitted(self) -> Moments:
        return fitted(self._moments)
