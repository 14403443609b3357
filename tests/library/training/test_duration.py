"""Long trainings are announced, short ones are not."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import earlyglow as eg
from earlyglow.training.duration import LongTrainingWarning, warn_of_long_training


@pytest.mark.parametrize(
    ("seconds", "said"), [(20.0, "20 hours"), (200.0, "8 days"), (47.4, "47 hours")]
)
def test_what_is_left_is_said_in_words(seconds: float, said: str) -> None:
    with pytest.warns(LongTrainingWarning, match=f"about {said} more"):
        warn_of_long_training(seconds, 10, 36_000)


def test_half_a_day_is_not_long() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_long_training(1.0, 1, 12 * 3600)


def test_a_training_of_days_says_so_after_its_first_steps(tmp_path: Path) -> None:
    flow = eg.Glow((1, 8, 8), levels=1, steps=1, hidden=4)
    config = eg.TrainingConfig(epochs=(10_000_000,), batch_size=16)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LongTrainingWarning)
        with pytest.raises(LongTrainingWarning, match="days more on this processor; Ctrl-C keeps"):
            eg.train(flow, eg.load_images("digits", "train", limit=400), config, tmp_path)
