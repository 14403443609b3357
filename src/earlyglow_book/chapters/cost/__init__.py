"""What the norms and a training step cost, measured side by side in one run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from earlyglow_book.chapters.cost.growth import Growth
from earlyglow_book.deferred import Deferred
from earlyglow_book.experiment import Experiment
from earlyglow_book.flow_runs.flows import VERSIONS, FlowSpec, flow_spec
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.parameters import Field, Whole, parameters
from earlyglow_book.results import Computed

if TYPE_CHECKING:
    from earlyglow_book.chapters.cost import comparison, gpu, peers
else:
    comparison, gpu, peers = (
        Deferred(f"earlyglow_book.chapters.cost.{name}") for name in ("comparison", "gpu", "peers")
    )

__all__ = ["PLANS", "Case", "Cost", "GpuCost", "Growth", "PeersCost", "Plan"]


@dataclass(frozen=True)
class Case:
    """One flow and the batches that each contender gets.

    Attributes:
        spec: the flow.
        batch: images of the training step and of the batched norms that are compared with it.
        few: images of the slow contenders (loop, vmap), and of the memory's comparison.
        batches: batch sizes of the batched norms, in either precision.
        repetitions: rounds.
    """

    spec: FlowSpec
    batch: int
    few: int
    batches: tuple[int, ...]
    repetitions: int


@dataclass(frozen=True)
class Plan:
    """Cases by title, and the sizes of the other measurements."""

    cases: dict[str, Case]
    product_size: int
    detector: FlowSpec
    detector_images: int


_TINY = {"levels": 2, "steps": 1, "hidden": 8}
_TINY_GLOW = FlowSpec("glow", (3, 8, 8), _TINY)
_TINY_DENSE = FlowSpec("dense_glow", (1, 8, 8), {"steps": 2, "hidden": 16, "depth": 1})
_CLASSROOM = flow_spec("glow", "cifar10", find_profile("classroom"))
_PAPER = flow_spec("glow", "cifar10", find_profile("paper"))
_PAPER_DENSE = flow_spec("dense_glow", "mnist", find_profile("paper"))
PLANS = {
    "smoke": Plan(
        {
            "tiny Glow": Case(_TINY_GLOW, 8, 2, (1, 8), 2),
            "tiny DenseGlow": Case(_TINY_DENSE, 8, 2, (1, 8), 2),
        },
        product_size=64,
        detector=FlowSpec("glow", (3, 32, 32), _TINY),
        detector_images=32,
    ),
    "paper": Plan(
        {
            "classroom Glow": Case(_CLASSROOM, 64, 16, (1, 4, 16, 64, 128, 256), 7),
            "paper Glow": Case(_PAPER, 16, 4, (1, 4, 16, 64, 128), 3),
            "paper DenseGlow": Case(_PAPER_DENSE, 128, 4, (1, 4, 16, 64, 128, 512), 5),
        },
        product_size=1024,
        detector=_CLASSROOM,
        detector_images=200,
    ),
}


@parameters
class Cost(Experiment):
    """Three flows, every backend, every batch size, in rounds."""

    name: ClassVar[str] = "cost"
    # Times never come out the same twice, so that there is nothing to verify.
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {**VERSIONS, "gradients": 1, "cost": 3}

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
        # As it is stored: tuples are lists there.
        return {"plan": json.loads(json.dumps(asdict(self.plan)))}

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
    shown_by: ClassVar[str] = "cost"
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


@parameters
class PeersCost(Experiment):
    """Norms of single images by other packages, in an environment that has them."""

    name: ClassVar[str] = "cost_peers"
    shown_by: ClassVar[str] = "cost"
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {**VERSIONS, "gradients": 1, "cost_peers": 1}

    profile: Literal["smoke", "paper"] = Field(
        default="paper", description="A tiny flow (seconds), or the classroom's."
    )
    seed: Whole = Field(default=0, ge=0, description="Of weights, images and noise.")

    def configuration(self) -> dict[str, Any]:
        """The profile names the flow."""
        return {"profile": self.profile}

    def splits(self) -> list[tuple[str, str]]:
        return []

    def label(self) -> str:
        return f"{self.profile}-seed{self.seed}"

    def compute(self, workspace: Path) -> Computed:
        """Measure everything; takes the machine for itself.

        Raises:
            ModuleNotFoundError: one of the packages is not installed.
        """
        return peers.measured(self.profile, self.seed)
