"""Scores made of the likelihood alone."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from earlyglow.detectors.base import Images, StatisticsDetector, fitted
from earlyglow.detectors.groups import mean_log_prob


class LikelihoodDetector(StatisticsDetector):
    """Negative log-likelihood: ``-mean_i log p(x_i)`` over the group, in nats."""

    def statistics(self, x: Tensor) -> Tensor:
        return mean_log_prob(self.model, x, self.group_size)

    def fit(self, data: Images) -> Self:
        """Nothing is fitted, and the images are not looked at."""
        return self

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        return -statistics


class TypicalityDetector(StatisticsDetector):
    """``|-mean_i log p(x_i) - H|`` with H the mean of -log p on the fit set, in nats.

    Source: Nalisnick et al., arXiv 1906.02994, section 3.
    """

    requires_fit = True

    def __init__(self, model: nn.Module, group_size: int = 1) -> None:
        super().__init__(model, group_size)
        self._fit_mean: Tensor | None = None

    def statistics(self, x: Tensor) -> Tensor:
        return mean_log_prob(self.model, x, self.group_size)

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        if not statistics.isfinite().all():
            raise ValueError(
                "a log-likelihood of the fit set is NaN or infinite; look for a diverged model."
            )
        self._fit_mean = statistics.double().mean()
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        return (statistics - self.fit_mean.to(statistics.device)).abs()

    @property
    def fit_mean(self) -> Tensor:
        """Mean log-likelihood of the fit set, in nats; RequiresFittingException before fit."""
        return fitted(self._fit_mean)

    def _require_fitted(self) -> None:
        _ = self.fit_mean
