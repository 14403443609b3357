"""Parts of the fit half against fits by hand."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.few_images import aurocs_of_parts, needed


def test_parts_are_drawn_and_the_whole_is_the_usual_fit() -> None:
    generator = torch.Generator().manual_seed(0)
    values = {
        name: torch.randn(count, 14, generator=generator) + shift
        for name, count, shift in (("fit", 100, 0.0), ("own", 80, 0.0), ("far", 80, 0.7))
    }
    detector = eg.ImageStatisticsDetector()
    rows = aurocs_of_parts(detector, values, "own")
    assert rows.groupby("fit_images")["draw"].nunique().to_dict() == {25: 5, 50: 5, 100: 1}
    whole = rows[rows["fit_images"] == 100]["auroc"].item()
    detector.fit_from_statistics(values["fit"])
    own, far = (detector.predict_from_statistics(values[name]) for name in ("own", "far"))
    assert whole == pytest.approx(eg.auroc(own, far))
    means = rows.groupby("fit_images")["auroc"].mean()
    assert means[25] < means[100]
    assert rows[rows["fit_images"] == 25]["auroc"].nunique() > 1


def test_the_fewest_images_that_stay_near() -> None:
    """A number that is near once and not later does not count."""
    values = {25: 0.9, 50: 0.5, 100: 0.89, 200: 0.9}
    rows = pd.DataFrame(
        [
            {"detector": name, "epoch": 1.0, "fit_images": count, "auroc": auroc}
            for name in ("layer_gradients", "neighbours", "covariance", "no_flow")
            for count, auroc in values.items()
        ]
    )
    assert needed(rows)[1.0].tolist() == [100] * 4
