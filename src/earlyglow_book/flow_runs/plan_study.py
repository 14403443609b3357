"""Studies of the plan's flows: at chosen epochs, or at an early epoch and the last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from earlyglow_book.flow_runs.protocol import OBJECTIVES, early_epoch
from earlyglow_book.flow_runs.study import FlowProfile, FlowStudy
from earlyglow_book.parameters import Field, Numbers, Whole, parameters
from earlyglow_book.results import Computed

GROUP_SIZES = (1, 5)
# Test images of these sets that correlate by more are of one object and stay in one half.
_DUPLICATES = {"gtsrb": 0.9}
# Profiles that a few minutes have to be enough for measure the paper's objective alone.
_ONE_OBJECTIVE = ("paper_short",)


@parameters
class PlanStudy(FlowStudy):
    """A study of one of the plan's flows, which may be trained on a part of its training set."""

    train_images: Whole = Field(
        default=0, ge=0, description="Training images, at most; 0 for all of the set."
    )
    epochs: Numbers = Field(
        default=(),
        description="Epochs to read, increasing; 0 is untrained, empty for the profile's.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epochs", self.run.epochs)

    def run_settings(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "train_images": self.train_images,
            "objectives": OBJECTIVES[:1] if self.profile in _ONE_OBJECTIVE else OBJECTIVES,
            "duplicates": _DUPLICATES.get(self.id_dataset, 0.0),
            "only_groups": GROUP_SIZES,
        }

    @property
    def scored(self) -> tuple[str, ...]:
        """The ID set and the OOD sets."""
        return (self.id_dataset, *self.ood_datasets)


@parameters
class TwoEpochStudy(PlanStudy):
    """A study of one flow where 50,000 images are seen, or at the first trained epoch, and last."""

    profile: FlowProfile = "long"

    @property
    def read_epochs(self) -> tuple[float, float]:
        """The early epoch and the last."""
        size = self.run.sizes.images_per_epoch or len(self.run.training_images())
        return early_epoch(self.run.epochs, size), self.run.epochs[-1]

    @property
    def titles(self) -> dict[float, str]:
        """Both epochs by the images that were seen."""
        size = self.run.sizes.images_per_epoch or 0
        return {epoch: f"{epoch * size:,.0f} images seen" for epoch in self.read_epochs}

    def compute(self, workspace: Path) -> Computed:
        sets = self.sets_to_measure()
        trained = self.run.train(workspace)
        read = {epoch: trained.checkpoints[epoch] for epoch in self.read_epochs}
        measured = self.run.measured(replace(trained, checkpoints=read), sets, workspace)
        return Computed(self.tables(sets, measured, workspace))
