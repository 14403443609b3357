"""Differences of AUROCs on the same images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from earlyglow.metrics import auroc_interval
from earlyglow_book.tables.changes import auroc_change


def test_change_is_the_difference_of_two_aurocs() -> None:
    random = np.random.default_rng(0)
    own, ood = random.normal(size=200), random.normal(0.8, size=150)
    own_after, ood_after = own + random.normal(size=200), ood + random.normal(size=150)
    labels = np.repeat([0, 1], [200, 150])
    before = roc_auc_score(labels, np.concatenate((own, ood)))
    after = roc_auc_score(labels, np.concatenate((own_after, ood_after)))
    found = auroc_change(own, ood, own_after, ood_after)
    assert found.value == pytest.approx(after - before, abs=1e-12)
    draws = []
    for _ in range(400):
        i, j = random.integers(200, size=200), random.integers(150, size=150)
        resampled = [(b[j][:, None] > a[i]).mean() for a, b in ((own, ood), (own_after, ood_after))]
        draws.append(resampled[1] - resampled[0])
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_the_same_scores_change_nothing() -> None:
    own, ood = np.arange(5.0), np.arange(3.0) + 1
    assert auroc_change(own, ood, 2 * own, 2 * ood) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="score the same images"):
        auroc_change(own, ood, own[:4], ood)


def test_the_change_of_perfect_scores_has_a_width() -> None:
    """By the exact bound of one perfect AUROC, in both directions."""
    own, ood = np.arange(50.0), np.arange(60.0, 100.0)
    shortfall = 1 - auroc_interval(own, ood).low
    assert shortfall > 0.05
    change = auroc_change(own, ood, own**2, ood**2)
    assert change == pytest.approx((0.0, -shortfall, shortfall))
    assert auroc_change(-own, -ood, own, ood) == pytest.approx((1.0, 1 - shortfall, 1.0))
