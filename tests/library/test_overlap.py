"""Overlap coefficients against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from earlyglow import overlap_coefficient, overlap_interval


def normal(size: int, mean: float, seed: int) -> np.ndarray:
    """Quantiles instead of draws: a sample without noise of its own, in random order."""
    values = stats.norm.ppf((np.arange(size) + 0.5) / size) + mean
    return np.random.default_rng(seed).permutation(values)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("bandwidth", [0.1, 0.5, 1.0])
def test_kernels_of_two_gaussians(distance: float, bandwidth: float) -> None:
    """Smoothed by a kernel of deviation h, N(m, 1) is N(m, 1 + h²)."""
    expected = 2 * stats.norm.cdf(-distance / (2 * np.sqrt(1 + bandwidth**2)))
    found = overlap_coefficient(normal(4000, 0, 0), normal(4000, distance, 1), "kde", bandwidth)
    assert found == pytest.approx(expected, abs=2e-3)


def test_the_rules_come_close_to_the_truth() -> None:
    a, b = normal(4000, 0, 0), normal(4000, 1, 1)
    expected = 2 * stats.norm.cdf(-0.5)
    assert overlap_coefficient(a, b) == pytest.approx(expected, abs=0.01)
    assert overlap_coefficient(a, b, "histogram") == pytest.approx(expected, abs=0.03)
    # The released code's bandwidth is wide against narrow scores.
    assert overlap_coefficient(a / 5, b / 5, bandwidth=0.5) > expected + 0.2


def test_histograms_of_two_uniforms() -> None:
    a = (np.arange(2000) + 0.5) / 2000
    assert overlap_coefficient(a, a + 0.5, "histogram", 0.1) == pytest.approx(0.5, abs=1e-3)
    assert overlap_coefficient(a, a, "histogram") == 1
    assert overlap_coefficient(a, a + 5, "histogram", 0.5) == 0
    assert overlap_coefficient(a, a + 50) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("method", ["kde", "histogram"])
def test_unit_and_order_do_not_matter(method: str) -> None:
    a, b = normal(500, 0, 0), normal(300, 0.7, 1)
    expected = overlap_coefficient(a, b, method)
    assert overlap_coefficient(b, a, method) == pytest.approx(expected, abs=1e-6)
    assert overlap_coefficient(7 * a - 3, 7 * b - 3, method) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("method", "size", "distance", "truth"),
    [
        ("kde", 150, 1.0, 2 * stats.norm.cdf(-0.5 / np.sqrt(1 + 0.3**2))),
        ("histogram", 1000, 1.0, 2 * stats.norm.cdf(-0.5)),
        ("histogram", 1000, 0.3, 2 * stats.norm.cdf(-0.15)),
    ],
)
def test_the_interval_covers_as_often_as_it_says(
    method: str, size: int, distance: float, truth: float
) -> None:
    """Kernels: of the smoothed densities. Bins of 0.3: of the densities, close to their sums."""
    random = np.random.default_rng(0)
    covered, widths, estimates = 0, [], []
    for trial in range(40):
        a, b = random.normal(0, 1, size), random.normal(distance, 1, size)
        low, high = overlap_interval(a, b, method, 0.3, confidence=0.8, resamples=40, seed=trial)
        assert 0 <= low < high <= 1
        covered += low <= truth <= high
        widths.append(high - low)
        estimates.append(overlap_coefficient(a, b, method, 0.3))
    assert 24 <= covered <= 39
    # Neither is the interval wider than the estimates' own spread asks for.
    assert np.mean(widths) == pytest.approx(2 * 1.28 * np.std(estimates), rel=0.4)


@pytest.mark.parametrize("bandwidth", [None, 0.4])
def test_one_far_outlier_changes_a_histogram_by_its_share(bandwidth: float | None) -> None:
    a, b = normal(500, 0, 0), normal(500, 1, 1)
    expected = overlap_coefficient(a, b, "histogram", 0.4)
    found = overlap_coefficient(np.append(a, 1e10), b, "histogram", bandwidth)
    assert found == pytest.approx(expected, abs=0.02)


def test_one_far_outlier_and_kernels() -> None:
    """Where the other sample ends, the smaller density ends; narrow kernels are refused."""
    a, b = normal(500, 0, 0), normal(500, 1, 1)
    found = overlap_coefficient(np.append(a, 1e6), b, bandwidth=0.5)
    assert found == pytest.approx(overlap_coefficient(a, b, bandwidth=0.5), abs=0.01)
    with pytest.raises(ValueError, match=r"ask for 16000\d+ points; give a bandwidth of at least"):
        overlap_coefficient(np.append(a, 1e6), np.append(a, 1e6), bandwidth=0.5)


def test_a_narrow_density_beside_one_that_is_a_million_times_as_wide() -> None:
    narrow = normal(1000, 0, 0)
    found = overlap_coefficient(narrow, 1e6 * normal(1000, 0, 1))
    # The wide density is flat here: 1 / (√(2π) 1e6) over the seven units of the narrow one.
    assert found == pytest.approx(7 / (np.sqrt(2 * np.pi) * 1e6), rel=0.3)


def test_a_histogram_of_values_that_are_mostly_equal() -> None:
    mostly = np.append(np.zeros(90), np.full(10, 5.0))
    assert overlap_coefficient(mostly, np.linspace(99, 101, 10), "histogram") == 0
    assert overlap_coefficient(mostly, mostly, "histogram") == 1


def test_tensors_with_a_history_are_samples() -> None:
    a, b = normal(50, 0, 0), normal(50, 1, 1)
    tensors = (torch.tensor(x, requires_grad=True) for x in (a, b))
    assert overlap_coefficient(*tensors) == pytest.approx(overlap_coefficient(a, b))


@pytest.mark.parametrize("method", ["kde", "histogram"])
def test_an_interval_of_few_samples(method: str) -> None:
    """Some resamples of five values are constant."""
    for seed in range(20):
        a, b = np.random.default_rng(seed).normal(size=(2, 5))
        low, high = overlap_interval(a, b, method, resamples=50)
        assert 0 <= low <= high <= 1


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"method is 'kernel'.*kde, histogram"):
        overlap_coefficient([0, 1], [0, 1], "kernel")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="b is constant"):
        overlap_coefficient([0, 1], [1, 1])
    with pytest.raises(ValueError, match="a holds NaN"):
        overlap_coefficient([0, np.nan], [0, 1])
    with pytest.raises(ValueError, match=r"a has shape \(1,\)"):
        overlap_coefficient([0], [0, 1])
    with pytest.raises(ValueError, match="bandwidth is 0"):
        overlap_coefficient([0, 1], [0, 1], bandwidth=0)
    with pytest.raises(ValueError, match="confidence is 2"):
        overlap_interval([0, 1], [0, 1], confidence=2)
