"""Parameters of the notebook on the released one-channel model at its own size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.running import result_of


@dataclass(frozen=True)
class DenseGlowFullSize:
    """The epoch sweep of a DenseGlow of the paper's size.

    Attributes:
        id_dataset: the in-distribution set, of one channel.
        epochs: epochs to score; empty for the profile's.
        profile: "smoke" for a tiny model, "full_size" for the paper's.
        seed: of weights, batches and noise.
    """

    name: ClassVar[str] = "dense_glow_full_size"

    id_dataset: str = "kmnist"
    epochs: tuple[float, ...] = ()
    profile: str = "full_size"
    seed: int = 0

    def __post_init__(self) -> None:
        # Built here so that a bad value is refused before anything runs.
        _ = self.sweep

    @cached_property
    def sweep(self) -> EpochSweep:
        """The sweep that the notebook shows."""
        return EpochSweep(
            self.id_dataset,
            epochs=self.epochs,
            profile=self.profile,
            seed=self.seed,
            model="dense_glow",
        )

    def prepare(self) -> None:
        """Compute the result if it is not stored yet."""
        result_of(self.sweep)
