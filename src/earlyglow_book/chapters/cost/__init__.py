"""What the norms and a training step cost, measured side by side in one run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from earlyglow_book.chapters.cost.plans import PLANS, Plan, as_json
from earlyglow_book.deferred import Deferred
from earlyglow_book.experiment import Experiment
from earlyglow_book.flow_runs.flows import VERSIONS
from earlyglow_book.parameters import Field, Whole, parameters
from earlyglow_book.results import Computed

if TYPE_CHECKING:
    from earlyglow_book.chapters.cost import comparison, gpu
else:
    comparison, gpu = (
        Deferred(f"earlyglow_book.chapters.cost.{name}") for name in ("comparison", "gpu")
    )

__all__ = ["Cost", "GpuCost"]


@parameters
class Cost(Experiment):
    """Three flows, every backend, every batch size, in rounds."""

    name: ClassVar[str] = "cost"
    # Times never come out the same twice, so that there is nothing to verify.
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {**VERSIONS, "gradients": 1, "cost": 1}

    profile: Literal["smoke", "paper"] = Field(
        default="paper", description="Tiny flows (seconds), or the classroom's and paper's sizes."
    )
    seed: Whole = Field(default=0, ge=0, description="Of weights, images and noise.")

    @property
    def plan(self) -> Plan:
        """What the profile measures."""
        return PLANS[self.profile]

    def configuration(self) -> dict[str, Any]:
        """What the result depends on, the machine apart: its name stands in the manifest."""
        return {"plan": as_json(asdict(self.plan))}

    def splits(self) -> list[tuple[str, str]]:
        return [("textures", "train"), ("textures", "test"), ("digits", "test")]

    def label(self) -> str:
        return f"{self.profile}-seed{self.seed}"

    def compute(self, workspace: Path) -> Computed:
        """Measure everything; takes the machine for itself."""
        return comparison.measured(self, workspace)


@parameters
class GpuCost(Experiment):
    """The paper's RGB Glow on one GPU: training steps and norms, right first."""

    name: ClassVar[str] = "gpu_cost"
    notebook: ClassVar[str] = "cost"
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {**VERSIONS, "gradients": 1, "gpu_cost": 1}

    def configuration(self) -> dict[str, Any]:
        """The flow is the paper's: there is nothing to choose."""
        return {"flow": "3 levels of 32 steps, 512 hidden channels, 3x32x32"}

    def splits(self) -> list[tuple[str, str]]:
        return []

    def label(self) -> str:
        return "paper"

    def compute(self, workspace: Path) -> Computed:
        """Measure everything; takes the GPU for itself.

        Raises:
            RuntimeError: torch sees no GPU.
        """
        return gpu.measured()
