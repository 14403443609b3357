"""Parameters of the notebook that judges every claim from the published results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earlyglow.experiments.published import FLOWS
from earlyglow.settings import require_choice


@dataclass(frozen=True)
class Verdict:
    """Which of the published results are shown in the figures.

    Attributes:
        model: "glow" or "dense_glow".
        objective: "log_prob" (the paper) or "sum_z" (the released code).
    """

    name: ClassVar[str] = "verdict"

    model: str = "glow"
    objective: str = "log_prob"

    def __post_init__(self) -> None:
        require_choice("model", self.model, dict(FLOWS))
        require_choice("objective", self.objective, ("log_prob", "sum_z"))

    def prepare(self) -> None:
        """Nothing: only published results are read."""
