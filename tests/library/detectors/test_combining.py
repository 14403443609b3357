"""Conformal p-values and their combinations: validity by simulation, formulas by scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.api import RequiresFittingException
from scipy import stats
from torch import Tensor, nn

from earlyglow.datasets import dequantize, load_images
from earlyglow.detectors import (
    ImageStatisticsDetector,
    LayerGradientDetector,
    LayerNeighbourDetector,
    StatisticsDetector,
    combine,
    conformal_p_values,
)
from earlyglow.detectors.combining import CombinedDetector
from earlyglow.flows import Glow


class Given(StatisticsDetector):
    """The statistic is the score."""

    requires_fit = True

    def __init__(self, group_size: int = 1) -> None:
        super().__init__(nn.Linear(1, 1), group_size)

    def statistics(self, x: Tensor) -> Tensor:
        return x.flatten(1).sum(1)

    def fit_from_statistics(self, statistics: Tensor) -> Given:
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        return statistics


def normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def fitted(rule: str, fit: Tensor, side: str = "high") -> CombinedDetector:
    columns = list(fit.unbind(1))
    return combine([Given() for _ in columns], rule, side).fit_from_statistics(columns)  # type: ignore[arg-type]


def p_of(detector: CombinedDetector, scores: Tensor) -> np.ndarray:
    return detector.p_values(list(scores.unbind(1))).numpy()


@pytest.mark.parametrize("side", ["high", "low", "both"])
def test_p_values_count_what_is_as_extreme(side: str) -> None:
    calibration, scores = normal(0, 19), torch.cat((normal(1, 30), normal(0, 19)[:3]))
    found = conformal_p_values(scores, calibration, side)  # type: ignore[arg-type]
    for score, p in zip(scores.tolist(), found.tolist(), strict=True):
        high = (1 + sum(c >= score for c in calibration.tolist())) / 20
        low = (1 + sum(c <= score for c in calibration.tolist())) / 20
        expected = {"high": high, "low": low, "both": min(1.0, 2 * min(high, low))}[side]
        assert p == pytest.approx(expected)


@pytest.mark.parametrize("side", ["high", "low", "both"])
def test_p_values_are_uniform_on_id_images(side: str) -> None:
    """Over many calibrations P(p <= u) is u at the levels that n = 19 can reach, and never more."""
    draws = [
        conformal_p_values(normal(2 * i + 1, 5), normal(2 * i, 19), side)  # type: ignore[arg-type]
        for i in range(4000)
    ]
    p = torch.cat(draws).numpy()
    for level in (0.1, 0.2, 0.5, 0.9):
        assert (p <= level + 1e-9).mean() == pytest.approx(level, abs=0.012)


@pytest.mark.parametrize("rule", ["fisher", "brown", "cauchy", "minimum"])
def test_independent_tests_combine_to_uniform(rule: str) -> None:
    p = p_of(fitted(rule, normal(3, 40_000, 3)), normal(4, 20_000, 3))
    assert stats.kstest(p, "uniform").statistic < 0.02


def test_fisher_and_minimum_are_scipys() -> None:
    fit, scores = normal(5, 200, 4), normal(6, 30, 4)
    single = torch.stack(
        [conformal_p_values(s, f[1::2]) for s, f in zip(scores.T, fit.T, strict=True)], dim=1
    )
    for rule, method in (("fisher", "fisher"), ("minimum", "tippett")):
        expected = stats.combine_pvalues(single.numpy(), method=method, axis=1).pvalue
        np.testing.assert_allclose(p_of(fitted(rule, fit), scores), expected, rtol=1e-9)


def test_brown_takes_one_test_three_times_for_one_test() -> None:
    """Fisher's rule takes the copies for three independent witnesses; Brown's does not."""
    fit, scores = normal(7, 4000, 1), normal(8, 500, 1)
    p = p_of(fitted("brown", fit.expand(-1, 3)), scores.expand(-1, 3))
    single = conformal_p_values(scores[:, 0], fit[1::2, 0]).numpy()
    np.testing.assert_allclose(p, single, rtol=1e-9)
    too_sure = p_of(fitted("fisher", fit.expand(-1, 3)), scores.expand(-1, 3))
    assert (too_sure < 0.01).mean() > 2 * (p < 0.01).mean()


def test_dependent_tests_stay_valid_under_brown_and_cauchy() -> None:
    shared = normal(9, 40_000, 1)
    fit, scores = (
        shared + 0.5 * normal(10, 40_000, 3),
        normal(11, 40_000, 1) + 0.5 * normal(12, 40_000, 3),
    )
    for rule in ("brown", "cauchy"):
        p = p_of(fitted(rule, fit), scores)
        assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.012)


def test_an_image_too_near_the_centre_is_found_from_the_low_side() -> None:
    fit = normal(13, 400, 1).square()
    inside, near = normal(14, 200, 1).square(), torch.zeros(200, 1, dtype=torch.float64)
    for side, share in (("low", 1.0), ("both", 1.0), ("high", 0.0)):
        detector = fitted("minimum", fit, side)
        assert (p_of(detector, near) < 0.05).mean() == share
        assert (p_of(detector, inside) < 0.05).mean() < 0.1


def test_images_go_in_and_scores_come_out() -> None:
    """Two readings share their norms; the control looks at the pictures."""
    torch.manual_seed(0)
    flow = Glow((1, 8, 8), levels=2, steps=1, hidden=8).train()
    digits = dequantize(load_images("digits", "train", limit=240).images)
    flow(digits[:64])
    readings = [LayerNeighbourDetector(flow, 2), LayerGradientDetector(flow, 2)]
    detector = combine([*readings, ImageStatisticsDetector(2)])
    with pytest.raises(RequiresFittingException):
        detector.predict(digits)
    norms, same_norms, pictures = detector.statistics(digits[:20])
    assert norms is same_norms
    assert pictures.shape == (10, 14)
    detector.fit(digits[:160])
    inside, outside = detector.predict(digits[160:]), detector.predict(-digits[160:] - 1 / 256)
    assert inside.shape == (40,)
    assert outside.mean() > inside.mean() + 1.0


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"rule is 'stouffer'.*fisher, brown, cauchy, minimum"):
        combine([Given()], "stouffer")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"side is 'left'"):
        combine([Given()], side="left")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"group sizes \[1, 2\]"):
        combine([Given(1), Given(2)])
    with pytest.raises(ValueError, match=r"holds 3 groups"):
        fitted("fisher", normal(0, 3, 1))
