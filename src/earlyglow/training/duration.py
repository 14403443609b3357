"""A word of warning before a training that takes days."""

from __future__ import annotations

import warnings

_LONG_SECONDS = 12 * 3600.0


class LongTrainingWarning(UserWarning):
    """A training will take longer than half a day on this processor; the message says how long."""


def warn_of_long_training(seconds: float, done: int, left: int) -> None:
    """Warn where the steps that are left take more than half a day at the rate so far.

    Args:
        seconds: that the steps took which are done.
        done: their number, at least 1.
        left: steps still to be made.
    """
    expected = seconds / done * left
    if expected > _LONG_SECONDS:
        warnings.warn(
            f"this training takes about {_in_words(expected)} more on this processor; Ctrl-C keeps "
            "what is done, a smaller profile or a GPU takes less.",
            LongTrainingWarning,
            stacklevel=2,
        )


def _in_words(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
