"""Regret from histograms against the images themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from earlyglow.metrics import auroc_of_counts
from earlyglow_book.tables.regret import half_aurocs, halves, regrets


def test_auroc_of_counts_is_that_of_images_in_bins() -> None:
    generator = np.random.default_rng(0)
    own, ood = generator.poisson(3, 100), generator.poisson(np.linspace(1, 6, 100))
    scores = np.concatenate([np.repeat(np.arange(100), counts) for counts in (own, ood)])
    labels = np.repeat([0, 1], [own.sum(), ood.sum()])
    assert auroc_of_counts(own, ood) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_halves_share_no_image_and_lose_none() -> None:
    counts = np.array([5, 0, 1, 100, 7])
    first, second = halves(counts, np.random.default_rng(0))
    assert first.sum() == 56
    assert (first + second == counts).all()
    assert (first >= 0).all()


def bytes_of(scores: np.ndarray) -> bytes:
    return np.histogram(scores, 100, (-8, 8))[0].astype(np.uint16).tobytes()


def histograms(shifts: dict[float, float], images: int = 1000, seed: int = 1) -> pd.DataFrame:
    """One reading's scores of an OOD set that lies further off at some epochs."""
    generator = np.random.default_rng(seed)
    rows = [
        {"epoch": epoch, "detector": "r", "dataset": name, "counts": bytes_of(scores)}
        for epoch, shift in shifts.items()
        for name, scores in (
            ("own", generator.standard_normal(images)),
            ("far", generator.standard_normal(images) + shift),
        )
    ]
    return pd.DataFrame(rows)


def test_regret_is_what_the_choice_loses() -> None:
    aurocs = half_aurocs(histograms({1: 0.5, 2: 2.0, 3: 1.0}), "own")
    found = regrets(aurocs, {"best": (2.0, "r"), "first": (1.0, "r")})
    means = aurocs.T.groupby(level="epoch").mean().T.loc["far"]
    assert found.loc["far", "best"] == pytest.approx(0)
    assert found.loc["far", "first"] == pytest.approx(means[2.0] - means[1.0])


def test_regret_of_a_choice_among_equals_is_zero_on_average() -> None:
    """Judged on the images that chose it, the best of 30 equal epochs would beat every choice."""
    found = []
    for seed in range(40):
        drawn = histograms(dict.fromkeys(range(1, 31), 1.0), 200, seed)
        aurocs = half_aurocs(drawn, "own", seed)
        found.append(regrets(aurocs, {"any": (1.0, "r")}).loc["far", "any"])
        naive = max(aurocs[0].loc["far"]) - aurocs[0].loc["far", (1.0, "r")]
        assert naive >= 0
    assert abs(np.mean(found)) < 0.01
