"""Several epoch sweeps side by side."""

from __future__ import annotations

import pytest

from earlyglow_book.chapters.three_sweeps import ThreeSweeps, words
from tests.chapters.rows import sweep


def test_the_untrained_flow_and_the_last_epoch_cannot_win() -> None:
    tables = {"mnist": sweep(0.9, 0.5, 0.6, 0.7), "kmnist": sweep(0.9, 0.5, 0.8, 0.7)}
    found = words(tables)
    assert (found["early_wins"], found["id_sets"]) == ("1", "2")
    assert (found["earlier_epochs"], found["by_chance"]) == ("2", "67%")
    assert (found["mnist_early"], found["mnist_late"]) == ("0.500", "0.700")
    assert (found["kmnist_best"], found["kmnist_best_epoch"]) == ("0.900", "0")
    assert (found["mnist_worst"], found["mnist_worst_auroc"]) == ("a", "0.650 [0.550, 0.750]")


def test_three_sweeps_share_their_settings() -> None:
    sweeps = ThreeSweeps(("digits", "textures"), profile="smoke", seed=1).sweeps
    assert [(s.id_dataset, s.seed) for s in sweeps.values()] == [("digits", 1), ("textures", 1)]
    with pytest.raises(ValueError, match="id_datasets is empty"):
        ThreeSweeps(())
