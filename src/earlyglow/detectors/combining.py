"""Scores as conformal p-values, and several detectors combined by them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal, Self, get_args

import torch
from pytorch_ood.api import RequiresFittingException
from torch import Tensor

from earlyglow.checks import require_choice
from earlyglow.detectors.base import GroupDetector, Images, StatisticsDetector
from earlyglow.detectors.log_norms import LogNormDetector

Side = Literal["high", "low", "both"]
Rule = Literal["fisher", "brown", "cauchy", "minimum"]


def conformal_p_values(scores: Tensor, calibration: Tensor, side: Side = "high") -> Tensor:
    """How often an ID score would be as extreme: ``(1 + #{as extreme}) / (n + 1)``.

    Valid (at most u with probability u) for scores that are exchangeable with those of
    ``calibration``, on which the detector may not have been fitted.

    Args:
        scores: (G,) in any number.
        calibration: (n,) scores of in-distribution groups.
        side: "high" where a high score speaks for OOD, "low" where a low one does (a picture
            nearer to the centre than ID pictures are), "both" for twice the smaller of the two.

    Returns:
        (G,) float64 in [1 / (n + 1), 1].

    Source: Vovk et al. 2005; Bates et al., arXiv 2104.08279.

    Examples:
        >>> conformal_p_values(torch.tensor([0.5, 9.0]), torch.tensor([0.0, 1.0, 2.0]))
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    require_choice("side", side, get_args(Side))
    for what, values in (("scores", scores), ("calibration", calibration)):
        if not isinstance(values, Tensor):
            raise TypeError(
                f"{what} is of type {type(values).__name__}, but a tensor is needed; pass "
                f"torch.as_tensor({what})."
            )
        if values.isnan().any():
            raise ValueError(
                f"{what} holds {int(values.isnan().sum())} NaN, which has no rank; look for a "
                "diverged model, or leave these images out."
            )
    if calibration.dim() != 1 or not len(calibration):
        raise ValueError(
            f"calibration has shape {tuple(calibration.shape)}, but it must be one-dimensional "
            "with at least 1 score."
        )
    ordered = calibration.sort().values
    count = len(ordered)
    scores = scores.to(ordered).contiguous()
    below = torch.searchsorted(ordered, scores, right=False)
    up_to = torch.searchsorted(ordered, scores, right=True)
    high = (1.0 + count - below.double()) / (count + 1.0)
    low = (1.0 + up_to.double()) / (count + 1.0)
    if side == "both":
        return (2.0 * torch.minimum(high, low)).clamp_max(1.0)
    return high if side == "high" else low


class CombinedDetector(GroupDetector):
    """Several detectors as one: their conformal p-values, combined by a rule.

    Every second fit group fits the detectors, the others calibrate the p-values. The score is
    minus the logarithm of the combined p-value.

    Args:
        detectors: they must have one group size. Those that read the same norms share them.
        rule: "fisher" (as if the p-values were independent), "brown" (Fisher's statistic scaled by
            the covariance that the calibration groups show), "cauchy" or "minimum" (both led by
            the smallest; "minimum" is Šidák's).
        side: which scores of each detector speak for OOD.

    Raises:
        ValueError: an unknown rule or side, no detector, or unlike group sizes; when fitting, fewer
            than 4 groups.
        RequiresFittingException: when scoring before fitting.

    Source: Fisher 1932; Brown 1975, doi 10.2307/2529826; Liu and Xie 2020, arXiv 1808.09011;
    combined for OOD detection in arXiv 2406.16045 and by Bergamin et al. 2022.
    """

    requires_fit = True

    def __init__(
        self, detectors: Sequence[StatisticsDetector], rule: Rule = "brown", side: Side = "high"
    ) -> None:
        require_choice("rule", rule, get_args(Rule))
        require_choice("side", side, get_args(Side))
        for detector in detectors:
            if not isinstance(detector, StatisticsDetector):
                raise TypeError(
                    f"{type(detector).__name__} is no detector that can be combined; give "
                    "detectors such as earlyglow.LayerGradientDetector(model), not their scores."
                )
        sizes = {detector.group_size for detector in detectors}
        if len(sizes) != 1:
            raise ValueError(
                f"the detectors have group sizes {sorted(sizes)}, but all must have one; build "
                "them with the same group_size."
            )
        self.detectors, self.rule, self.side = tuple(detectors), rule, side
        self.group_size = sizes.pop()
        self._calibration: list[Tensor] = []

    def fit(self, data: Images) -> Self:
        parts = [self.statistics(x) for x in self._whole_groups(data)]
        return self.fit_from_statistics([torch.cat(part) for part in zip(*parts, strict=True)])

    def statistics(self, x: Tensor) -> list[Tensor]:
        """The statistics of each detector: one row for each group of images (N, C, H, W)."""
        found: dict[Hashable, Tensor] = {}
        for detector in self.detectors:
            if (key := _source(detector)) not in found:
                found[key] = detector.statistics(detector._on_device(x))
        return [found[_source(detector)] for detector in self.detectors]

    def fit_from_statistics(self, statistics: Sequence[Tensor]) -> Self:
        """Fit on statistics of in-distribution groups, one tensor for each detector."""
        if len(statistics[0]) < 4:
            raise ValueError(
                f"the fit set holds {len(statistics[0])} groups, but fitting and calibrating need "
                "at least 4; give more images."
            )
        self._calibration = []
        for detector, values in zip(self.detectors, statistics, strict=True):
            detector.fit_from_statistics(values[0::2])
            self._calibration.append(detector.predict_from_statistics(values[1::2]).cpu())
        return self

    def p_values(self, statistics: Sequence[Tensor]) -> Tensor:
        """The combined p-value (G,) of groups from one tensor of statistics for each detector."""
        self._require_fitted()
        single = [
            conformal_p_values(detector.predict_from_statistics(values).cpu(), scores, self.side)
            for detector, values, scores in zip(
                self.detectors, statistics, self._calibration, strict=True
            )
        ]
        return self._combined(torch.stack(single, dim=1))

    def predict_from_statistics(self, statistics: Sequence[Tensor]) -> Tensor:
        """Score statistics that were computed before: (G,), higher = more OOD."""
        return -self.p_values(statistics).log()

    def _scores(self, x: Tensor) -> Tensor:
        return self.predict_from_statistics(self.statistics(x))

    def _combined(self, p: Tensor) -> Tensor:
        """One p-value (G,) from those of each detector (G, k)."""
        from scipy import stats

        if self.rule == "cauchy":
            mean = torch.tan((0.5 - p) * math.pi).mean(1)
            return (0.5 - torch.atan(mean) / math.pi).clamp_min(torch.finfo(p.dtype).tiny)
        if self.rule == "minimum":
            return -torch.expm1(p.shape[1] * torch.log1p(-p.amin(1)))
        scale, freedom = self._brown() if self.rule == "brown" else (1.0, 2.0 * p.shape[1])
        fisher = -2.0 * p.log().sum(1) / scale
        return torch.from_numpy(stats.chi2.sf(fisher.numpy(), freedom))

    def _brown(self) -> tuple[float, float]:
        """Scale and degrees of freedom of Fisher's statistic under the calibration's dependence.

        ``-2 log p`` of each test has mean 2 and variance 4; only correlations are estimated.
        """
        own = [conformal_p_values(scores, scores, self.side) for scores in self._calibration]
        logs = -2.0 * torch.stack(own, dim=1).log()
        mean, variance = 2.0 * logs.shape[1], max(4.0 * float(torch.corrcoef(logs.T).sum()), 4.0)
        return variance / (2.0 * mean), 2.0 * mean**2 / variance

    def _on_device(self, x: Tensor) -> Tensor:
        return self.detectors[0]._on_device(x)

    def _require_fitted(self) -> None:
        if not self._calibration:
            raise RequiresFittingException


def combine(
    detectors: Sequence[StatisticsDetector], rule: Rule = "brown", side: Side = "high"
) -> CombinedDetector:
    """Several detectors as one; see :class:`earlyglow.detectors.CombinedDetector`.

    Examples:
        >>> from earlyglow import ImageStatisticsDetector, LayerNeighbourDetector
        >>> from earlyglow.flows import Glow
        >>> flow = Glow(image_shape=(1, 8, 8), levels=1, steps=1, hidden=4)
        >>> combined = combine([LayerNeighbourDetector(flow), ImageStatisticsDetector()])
        >>> combined.fit(torch.rand(40, 1, 8, 8) - 0.5).predict(torch.rand(3, 1, 8, 8) - 0.5).shape
        torch.Size([3])
    """
    return CombinedDetector(detectors, rule, side)


def _source(detector: StatisticsDetector) -> Hashable:
    """Equal for detectors that are made of the same statistics."""
    if isinstance(detector, LogNormDetector):
        return detector.model, detector.objective, detector.backend
    return detector
