"""How the cost of the norms and of a training step grows, one quantity at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import earlyglow as eg
from earlyglow_book.deferred import Deferred, np, pd, torch
from earlyglow_book.experiment import Experiment
from earlyglow_book.flow_runs.flows import VERSIONS, FlowSpec, flow_spec
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.parameters import Field, Whole, parameters
from earlyglow_book.results import Computed
from earlyglow_book.tables.texts import Texts

if TYPE_CHECKING:
    from earlyglow_book import machine
    from earlyglow_book.chapters.cost import comparison, measuring
else:
    machine = Deferred("earlyglow_book.machine")
    comparison, measuring = (
        Deferred(f"earlyglow_book.chapters.cost.{name}") for name in ("comparison", "measuring")
    )

NORMS, LOOP, STEP = "batched norms", "loop", "training step"
IMAGES, GROUP, SIDE = "images", "images in a group", "image side"
STEPS, HIDDEN = "steps of flow", "hidden channels"
# The loop handles every image alike, and is measured on few of them.
_LOOP_IMAGES = 4
_CLASSROOM = flow_spec("glow", "cifar10", find_profile("classroom"))
_TINY = FlowSpec("glow", (3, 8, 8), {"levels": 2, "steps": 1, "hidden": 8})
# The flow, rounds, images of a call, and the values of each quantity; the others stay.
PLANS: dict[str, tuple[FlowSpec, int, int, dict[str, tuple[int, ...]]]] = {
    "smoke": (
        _TINY,
        1,
        8,
        {IMAGES: (4, 8), GROUP: (1, 2), SIDE: (8, 16), STEPS: (1, 2), HIDDEN: (8, 16)},
    ),
    "paper": (
        _CLASSROOM,
        5,
        32,
        {
            IMAGES: (8, 16, 32, 64, 128),
            GROUP: (1, 2, 4, 8, 16, 32),
            SIDE: (16, 32, 64),
            STEPS: (1, 2, 4, 8, 16),
            HIDDEN: (16, 32, 64, 128, 256),
        },
    ),
}


@parameters
class Growth(Experiment):
    """Seconds of a call as one quantity of the classroom's Glow grows and the others stay."""

    name: ClassVar[str] = "cost_growth"
    shown_by: ClassVar[str] = "cost"
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {**VERSIONS, "gradients": 1, "cost_growth": 1}

    profile: Literal["smoke", "paper"] = Field(
        default="paper", description="A tiny flow (seconds), or the classroom's."
    )
    seed: Whole = Field(default=0, ge=0, description="Of weights, images and noise.")

    def configuration(self) -> dict[str, Any]:
        """What is measured."""
        spec, rounds, images, values = PLANS[self.profile]
        return {
            "model": spec.model,
            "image_shape": list(spec.image_shape),
            "sizes": dict(spec.sizes),
            "rounds": rounds,
            "images": images,
            "values": {name: list(tried) for name, tried in values.items()},
        }

    def splits(self) -> list[tuple[str, str]]:
        return []

    def label(self) -> str:
        return f"{self.profile}-seed{self.seed}"

    def compute(self, workspace: Path) -> Computed:
        """Measure everything; takes the machine for itself."""
        rounds = PLANS[self.profile][1]
        rows = [
            measuring.interleaved_times(contenders, rounds).assign(quantity=quantity, value=value)
            for quantity, value, contenders in self._calls()
        ]
        times = pd.concat(rows, ignore_index=True)
        return Computed({"times": times}, device=machine.processor_name())

    def _calls(self) -> Iterator[tuple[str, int, list[measuring.Contender]]]:
        """What is timed for each quantity at each value."""
        spec, _, images, values = PLANS[self.profile]
        for quantity, tried in values.items():
            for value in tried:
                own = _spec(spec, quantity, value)
                flow = measuring.perturbed(own.build(self.seed), self.seed)
                count = value if quantity == IMAGES else images
                generator = torch.Generator().manual_seed(self.seed)
                x = torch.rand(count, *own.image_shape, generator=generator) - 0.5
                group = value if quantity == GROUP else 1
                others = [] if quantity == GROUP else _others(flow, x)
                yield quantity, value, [_norms(flow, x, group), *others]


def _spec(spec: FlowSpec, quantity: str, value: int) -> FlowSpec:
    if quantity == SIDE:
        return replace(spec, image_shape=(spec.image_shape[0], value, value))
    size = {STEPS: "steps", HIDDEN: "hidden"}.get(quantity)
    return replace(spec, sizes={**spec.sizes, size: value}) if size else spec


def _norms(flow: eg.Flow, x: torch.Tensor, group: int) -> measuring.Contender:
    def norms() -> object:
        return eg.layer_gradient_norms(flow, x, group, backend="batched", chunk_size=len(x))

    return measuring.Contender(NORMS, len(x), norms)


def _others(flow: eg.Flow, x: torch.Tensor) -> list[measuring.Contender]:
    few = x[:_LOOP_IMAGES]
    return [comparison.norms_by(flow, few, "loop"), comparison.step(STEP, flow, x)]


def growth_table(times: pd.DataFrame) -> pd.DataFrame:
    """Median seconds for each contender, quantity and value.

    The loop's are those of as many images as the others have, at its rate for few.
    """
    images = times.groupby(["quantity", "value"])["images"].transform("max")
    scaled = times.assign(seconds=times["seconds"] * images / times["images"])
    keys = ["contender", "quantity", "value"]
    return scaled.groupby(keys, sort=False)["seconds"].median().reset_index()


def exponents(table: pd.DataFrame) -> pd.Series:
    """The exponent p of ``seconds ~ value**p``, by contender and quantity, by least squares."""
    logs = table.assign(x=np.log(table["value"]), y=np.log(table["seconds"]))
    return logs.groupby(["contender", "quantity"], sort=False)[["x", "y"]].apply(
        lambda part: float(np.polyfit(part["x"], part["y"], 1)[0])
    )


def growth_words(table: pd.DataFrame) -> Texts:
    """The exponents of the batched norms."""
    of_norms = exponents(table)[NORMS]
    names = {IMAGES: "images", GROUP: "group", SIDE: "side", STEPS: "steps", HIDDEN: "hidden"}
    return {
        f"growth_{name}": f"{round(of_norms[quantity], 1) + 0.0:.1f}"
        for quantity, name in names.items()
    }
