"""Metrics against counting pairs, scikit-learn, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import auc, precision_recall_curve

from earlyglow.metrics import aupr, auroc, auroc_interval, delong_variance, fpr_at_tpr


def scores(n: int, m: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(shift, size=m)


def by_pairs(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """For each pair 1 if the OOD score is higher, one half if equal: (N, M)."""
    higher = outside[None] > inside[:, None]
    return higher + 0.5 * (outside[None] == inside[:, None])


def test_auroc_counts_pairs() -> None:
    inside, outside = scores(40, 30, 0.7)
    inside, outside = inside.round(1), outside.round(1)  # with ties
    assert auroc(inside, outside) == pytest.approx(by_pairs(inside, outside).mean())
    assert auroc(outside, inside) == pytest.approx(1 - auroc(inside, outside))


def test_delong_variance_by_its_definition() -> None:
    """The structural components of DeLong et al. (1988), formed from all pairs."""
    inside, outside = scores(40, 30, 0.7)
    inside, outside = inside.round(1), outside.round(1)
    pairs = by_pairs(inside, outside)
    expected = pairs.mean(0).var(ddof=1) / 30 + pairs.mean(1).var(ddof=1) / 40
    assert delong_variance(inside, outside) == pytest.approx(expected)


def test_intervals_cover_the_true_auroc() -> None:
    """Of 400 simulated 90 % intervals, about 90 % hold the AUROC of two shifted Gaussians."""
    truth = 0.7602499389065233  # Φ(1 / √2)
    covered = 0
    for seed in range(400):
        low, high = auroc_interval(*scores(80, 60, 1.0, seed), confidence=0.9)
        covered += low <= truth <= high
    assert 0.86 <= covered / 400 <= 0.94


def test_bootstrap_and_delong_agree() -> None:
    inside, outside = scores(300, 200, 1.0)
    delong = auroc_interval(inside, outside)
    bootstrap = auroc_interval(inside, outside, method="bootstrap", resamples=400)
    assert bootstrap == pytest.approx(delong, abs=0.01)
    few = [auroc_interval(inside, outside, method="bootstrap", resamples=20) for _ in range(2)]
    assert few[0] == few[1]


def test_perfect_separation_has_a_width() -> None:
    low, high = auroc_interval(np.arange(50.0), np.arange(60.0, 100.0))
    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 40))
    low, high = auroc_interval(np.arange(60.0, 100.0), np.arange(50.0))
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 40)))


def test_aupr_is_near_the_trapezoid_area() -> None:
    inside, outside = scores(500, 400, 1.0)
    labels = np.concatenate((np.zeros(500), np.ones(400)))
    precision, recall, _ = precision_recall_curve(labels, np.concatenate((inside, outside)))
    assert aupr(inside, outside) == pytest.approx(auc(recall, precision), abs=0.005)


def test_fpr_at_tpr_by_hand() -> None:
    inside, outside = [0.0, 1.0, 2.0, 3.0], [1.5, 2.5, 3.5, 4.5]
    # To flag all OOD the threshold is 1.5: two ID scores exceed it. For three of four, 2.5: one.
    assert fpr_at_tpr(inside, outside, tpr=1.0) == 0.5
    assert fpr_at_tpr(inside, outside, tpr=0.75) == 0.25
    assert fpr_at_tpr(inside, outside) == 0.5


@pytest.mark.parametrize("metric", [auroc, aupr, fpr_at_tpr, auroc_interval])
@pytest.mark.parametrize(
    ("inside", "outside", "match"),
    [
        ([], [1.0], "id_scores is empty"),
        ([1.0], [], "ood_scores is empty"),
        ([1.0, np.nan], [1.0], "id_scores holds 1 values that are NaN"),
        ([1.0], [np.inf, np.inf], "ood_scores holds 2 values"),
        ([[1.0]], [1.0], r"id_scores has shape \(1, 1\)"),
    ],
)
def test_bad_scores_are_refused(metric: object, inside: list, outside: list, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        metric(inside, outside)


def test_bad_options_are_refused() -> None:
    inside, outside = scores(5, 5, 1.0)
    with pytest.raises(ValueError, match="tpr is 0"):
        fpr_at_tpr(inside, outside, tpr=0)
    with pytest.raises(ValueError, match="confidence is 95"):
        auroc_interval(inside, outside, confidence=95)
    with pytest.raises(ValueError, match="method is 'jackknife'"):
        auroc_interval(inside, outside, method="jackknife")
    with pytest.raises(ValueError, match="at least 2 of each"):
        auroc_interval([1.0], [0.5, 2.0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_tensors_with_a_history_are_scores(dtype: torch.dtype) -> None:
    inside = torch.tensor([0.0, 1.0, 2.0], dtype=dtype, requires_grad=True)
    assert auroc(inside, inside + 1) == pytest.approx(auroc([0, 1, 2], [1, 2, 3]))
    assert auroc_interval(inside, inside + 1) == auroc_interval([0, 1, 2], [1, 2, 3])
