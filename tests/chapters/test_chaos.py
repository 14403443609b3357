"""The smallest change of one weight: what it changes, and that training keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.chaos import Chaos, nudge


@pytest.mark.parametrize(
    "make",
    [
        lambda: eg.Glow((1, 8, 8), levels=2, steps=1, hidden=4),
        lambda: eg.DenseGlow((1, 8, 8), steps=2, hidden=8, depth=1),
    ],
)
def test_one_bit_of_one_weight_survives_the_start_of_training(make: object, tmp_path: Path) -> None:
    """An actnorm's weights would be overwritten by the first batch."""
    flows = []
    for changed in (False, True):
        torch.manual_seed(0)
        flow = make()  # type: ignore[operator]
        if changed:
            nudge(flow)
        config = eg.TrainingConfig(epochs=(0,), batch_size=32)
        eg.train(flow, eg.load_images("digits", "train", limit=64), config, tmp_path / str(changed))
        flows.append(flow)
    differing = [
        (a != b).sum().item() for a, b in zip(*(flow.parameters() for flow in flows), strict=True)
    ]
    assert sum(differing) == 1
    first, second = (
        next(p for p, d in zip(flow.parameters(), differing, strict=True) if d) for flow in flows
    )
    assert second.flatten()[0] == torch.nextafter(first.flatten()[0], torch.tensor(torch.inf))


def test_both_trainings_are_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path))
    chaos = Chaos("digits", profile="smoke", model="glow", epochs=(0.5,))
    table = chaos.compute(tmp_path).tables["aurocs"]
    assert table["changed"].tolist() == [False, True]
    assert table["auroc"].between(0, 1).all()
