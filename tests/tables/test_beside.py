"""A flow's score and the picture's together, against Fisher's rule by SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from earlyglow_book.chapters.verdict.beside import beside_claims, gain_beside
from earlyglow_book.tables.beside import together

FLOW = {"id_dataset": "own", "model": "glow", "seed": 0, "epoch": 20.0, "detector": "likelihood"}


def rows(scores: dict[str, np.ndarray], **facts: object) -> pd.DataFrame:
    parts = [pd.DataFrame({"score": s}).assign(dataset=n, **facts) for n, s in scores.items()]
    return pd.concat(parts, ignore_index=True)


def test_both_together_are_fishers_rule_on_p_values_of_the_other_half() -> None:
    generator = np.random.default_rng(0)
    flow = {"own": generator.normal(0, 1, 200), "ood": generator.normal(1, 1, 150)}
    picture = {"own": generator.normal(0, 1, 200), "ood": generator.normal(0.5, 1, 150)}
    found = together(rows(flow, **FLOW), rows(picture, id_dataset="own")).iloc[0]

    def p_value(score: float, calibration: np.ndarray) -> float:
        return float((1 + (calibration >= score).sum()) / (1 + len(calibration)))

    combined = {
        name: [
            stats.combine_pvalues([p_value(a, flow["own"][::2]), p_value(b, picture["own"][::2])])[
                0
            ]
            for a, b in zip(flow[name], picture[name], strict=True)
        ]
        for name in ("own", "ood")
    }
    labels = [0] * 100 + [1] * 150

    def area(own: object, ood: object) -> float:
        return float(roc_auc_score(labels, np.concatenate((own, ood))))  # type: ignore[arg-type]

    assert found["both"] == pytest.approx(area(combined["own"][1::2], combined["ood"]))
    assert found["flow"] == pytest.approx(area(flow["own"][1::2], flow["ood"]))
    assert found["picture"] == pytest.approx(area(picture["own"][1::2], picture["ood"]))


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.1, "holds"), (0.0, "does not hold"), (-0.1, "does not hold")]
)
def test_a_score_adds_where_both_are_better_than_the_picture(gain: float, verdict: str) -> None:
    sets = ("mnist", "kmnist", "omniglot", "fashion_mnist", "cifar10", "gtsrb")
    table = pd.DataFrame(
        [
            {"id_dataset": own, "ood": ood, "model": "glow", "seed": seed, "epoch": 20.0}
            | {"detector": detector, "flow": 0.6, "picture": 0.7}
            | {"both": 0.7 + gain + 0.001 * (i % 3 - 1)}
            for own in sets
            for i, ood in enumerate(sets)
            if ood != own
            for seed in (0, 1, 2)
            for detector in ("layer_gradients", "likelihood")
        ]
    )
    assert [str(claim.judgement) for claim in beside_claims(table)] == [verdict] * 2
    expected = gain + 0.001 * np.mean([i % 3 - 1 for i in range(6)])
    assert gain_beside(table, "likelihood").mean() == pytest.approx(expected)


def test_nothing_is_claimed_where_nothing_is_published() -> None:
    assert beside_claims(pd.DataFrame()) == []
