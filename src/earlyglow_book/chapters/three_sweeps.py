"""Parameters of the notebook that puts several epoch sweeps side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.running import result_of


@dataclass(frozen=True)
class ThreeSweeps:
    """The epoch sweep of several ID sets.

    Attributes:
        id_datasets: the in-distribution sets.
        profile: "smoke", "classroom", "full_size" or "paper".
        seed: of weights, batches and noise.
        model: "glow" or "dense_glow".
    """

    name: ClassVar[str] = "three_sweeps"

    id_datasets: tuple[str, ...] = ("fashion_mnist", "cifar10", "gtsrb")
    profile: str = "classroom"
    seed: int = 0
    model: str = "glow"

    def __post_init__(self) -> None:
        if not self.id_datasets:
            raise ValueError("id_datasets is empty, but at least one set is needed.")
        # Built here so that a bad value is refused before anything runs.
        _ = self.sweeps

    @cached_property
    def sweeps(self) -> dict[str, EpochSweep]:
        """The sweep of each ID set."""
        return {
            name: EpochSweep(
                id_dataset=name, profile=self.profile, seed=self.seed, model=self.model
            )
            for name in self.id_datasets
        }

    def prepare(self) -> None:
        """Compute what is not stored yet."""
        for sweep in self.sweeps.values():
            result_of(sweep)
