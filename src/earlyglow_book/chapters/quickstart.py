"""A tiny Glow that trains before the reader's eyes, and stores nothing."""

from __future__ import annotations

from typing import ClassVar, Literal

from earlyglow.datasets.finding import require_available
from earlyglow_book.experiment import Chapter
from earlyglow_book.parameters import DatasetName, Field, Number, Seed, Whole, parameters


@parameters
class Quickstart(Chapter):
    """A tiny Glow on one set, tested on another."""

    name: ClassVar[str] = "quickstart"

    id_dataset: DatasetName = Field(default="digits", description="The ID set.")
    ood_dataset: DatasetName = Field(
        default="textures", description="The OOD set, brought to the shape of the ID images."
    )
    epochs: Number = Field(
        default=1.0, ge=0.1, le=100, description="Passes over the training images."
    )
    group_size: Whole = Field(
        default=1, ge=1, le=50, description="Images in a group that is scored together."
    )
    seed: Seed = 0
    profile: Literal["smoke", "classroom"] = Field(
        default="classroom",
        description="Smoke trains for at most half an epoch, classroom for all epochs.",
    )

    def __post_init__(self) -> None:
        if self.profile == "smoke":
            object.__setattr__(self, "epochs", min(self.epochs, 0.5))

    def prepare(self) -> None:
        """Refuse missing images; the notebook itself trains before the reader's eyes.

        Raises:
            DatasetError: images are neither on this machine nor to be downloaded.
        """
        require_available(self.id_dataset, "train")
        require_available(self.id_dataset, "test")
        require_available(self.ood_dataset, "test")
