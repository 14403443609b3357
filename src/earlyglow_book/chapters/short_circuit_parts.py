"""Which parts of Gradient Short-Circuit carry its effect, on the classifiers of its chapter."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from earlyglow_book.chapters.gradient_short_circuit import ProfileName, ShortCircuit
from earlyglow_book.experiment import Chapter
from earlyglow_book.parameters import DatasetName, Field, Names, Whole, parameters


@parameters
class ShortCircuitParts(Chapter):
    """The classifier whose ablations are shown; they belong to the result of its study."""

    name: ClassVar[str] = "short_circuit_parts"

    id_dataset: DatasetName = Field(
        default="cifar10", description="The labelled set that the classifier is trained on."
    )
    ood_datasets: Names = Field(
        default=(),
        description="The OOD sets, uniform_noise and gaussian_noise among them; empty for the "
        "usual ones.",
    )
    profile: ProfileName = "classroom"
    seed: Whole = Field(default=0, ge=0, description="Of weights, batches and noise.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "ood_datasets", self.study.ood_datasets)

    @cached_property
    def study(self) -> ShortCircuit:
        """The study of the same classifier at its usual place and share."""
        return ShortCircuit(
            self.id_dataset, self.ood_datasets, profile=self.profile, seed=self.seed
        )

    def prepare(self) -> None:
        self.study.prepare()
