"""What is measured: flows, batches and rounds of each profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from earlyglow_book.flow_runs.flows import FlowSpec, flow_spec
from earlyglow_book.flow_runs.profiles import find_profile


@dataclass(frozen=True)
class Case:
    """One flow and the batches that each contender gets.

    Attributes:
        spec: the flow.
        batch: images of the training step and of the batched norms that are compared with it.
        few: images of the slow contenders (loop, vmap, bf16), and of the memory's comparison.
        batches: batch sizes of the batched norms.
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
_CLASSROOM = flow_spec("glow", "cifar10", find_profile("classroom"))
_PAPER = find_profile("paper")
PLANS = {
    "smoke": Plan(
        {
            "tiny Glow": Case(FlowSpec("glow", (3, 8, 8), _TINY), 8, 2, (1, 8), 2),
            "tiny DenseGlow": Case(
                FlowSpec("dense_glow", (1, 8, 8), {"steps": 2, "hidden": 16, "depth": 1}),
                8,
                2,
                (1, 8),
                2,
            ),
        },
        product_size=64,
        detector=FlowSpec("glow", (3, 32, 32), _TINY),
        detector_images=32,
    ),
    "paper": Plan(
        {
            "classroom Glow": Case(_CLASSROOM, 64, 16, (1, 2, 4, 8, 16, 32, 64, 128), 7),
            "paper Glow": Case(
                flow_spec("glow", "cifar10", _PAPER),
                16,
                4,
                (1, 4, 16, 64, 128),
                3,
            ),
            "paper DenseGlow": Case(
                flow_spec("dense_glow", "mnist", _PAPER),
                128,
                4,
                (1, 4, 16, 64, 128),
                5,
            ),
        },
        product_size=1024,
        detector=_CLASSROOM,
        detector_images=200,
    ),
}


def as_json(value: object) -> object:
    """Tuples as lists, at every depth."""
    if isinstance(value, Mapping):
        return {name: as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list | tuple) else value
