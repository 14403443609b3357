"""Every claim of the first paper that the published results can judge, each by a rule."""

from __future__ import annotations

from typing import ClassVar

from earlyglow_book.chapters.epoch_sweep import Objective
from earlyglow_book.experiment import Chapter
from earlyglow_book.flow_runs.flows import ModelName
from earlyglow_book.parameters import Field, parameters


@parameters
class Verdict(Chapter):
    """Which of the published results are shown in the figures; only those are read."""

    name: ClassVar[str] = "verdict"

    model: ModelName = Field(default="glow", description="The flow in the figures.")
    objective: Objective = Field(
        default="log_prob", description="What the score in the figures differentiates."
    )
