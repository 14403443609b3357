"""What studies have in common: each asks one question of the flow that an epoch sweep trains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from earlyglow_book.experiment import Experiment
from earlyglow_book.flow_runs.flows import ModelName
from earlyglow_book.flow_runs.profiles import ProfileName
from earlyglow_book.flow_runs.protocol import SWEEP_VERSIONS
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.parameters import Field, IdDataset, OodDatasets, Seed, parameters
from earlyglow_book.results import Computed, Tables

if TYPE_CHECKING:
    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint

FlowProfile = Annotated[ProfileName, Field(description="Sizes: seconds, minutes, hours, or a GPU.")]
FlowModel = Annotated[ModelName, Field(description="Glow, or the released one-channel model.")]
# What a study is given: images by name, and one checkpoint after the other.
Sets = dict[str, "ImageSet"]
Checkpoints = Iterator["MeasuredCheckpoint"]


class FlowExperiment(Experiment):
    """An experiment on one trained flow, with the label and the inputs of its ``run``."""

    @property
    @abstractmethod
    def run(self) -> FlowRun:
        """The flow and its images; building it refuses bad values before anything runs."""

    @property
    def shown_epochs(self) -> tuple[float, float, float]:
        """An early, a middle and the last epoch."""
        return self.run.shown_epochs

    def configuration(self) -> dict[str, Any]:
        return self.run.configuration()

    def splits(self) -> list[tuple[str, str]]:
        return self.run.splits()

    def label(self) -> str:
        return self.run.label()


@parameters
class FlowStudy(FlowExperiment):
    """A study of one trained flow: its checkpoints and what was measured under them.

    Training, checkpoints and norms are those of the epoch sweep with the same parameters, and are
    found where that was run on this machine before.
    """

    version: ClassVar[int]

    id_dataset: IdDataset = "fashion_mnist"
    ood_datasets: OodDatasets = ()
    profile: FlowProfile = "classroom"
    seed: Seed = 0
    model: FlowModel = "glow"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ood_datasets", self.run.ood_datasets)

    def __init_subclass__(cls) -> None:
        # Set here, so that raising a study's version by hand is all that it takes.
        if "version" in vars(cls):
            cls.versions = {**SWEEP_VERSIONS, cls.name: cls.version}

    @cached_property
    def run(self) -> FlowRun:
        return FlowRun(
            self.id_dataset,
            self.ood_datasets,
            profile=self.profile,
            seed=self.seed,
            model=self.model,
            **self.run_settings(),
        )

    def run_settings(self) -> dict[str, Any]:
        """What the run is given beyond the parameters of all studies, as FlowRun names it."""
        return {}

    def settings(self) -> dict[str, Any]:
        """What the result depends on beyond the flow, JSON-like."""
        return {}

    def configuration(self) -> dict[str, Any]:
        return {**super().configuration(), **self.settings()}

    def sets_to_measure(self) -> Sets:
        """The images that are measured at each checkpoint, by name; the fit half among them."""
        return self.run.load_sets()

    def compute(self, workspace: Path) -> Computed:
        """Train and measure, or find it done, and ask."""
        # All images first: a set that is missing must not be noticed after the training.
        sets = self.sets_to_measure()
        measured = self.run.measured(self.run.train(workspace), sets, workspace)
        return Computed(self.tables(sets, measured, workspace))

    @abstractmethod
    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        """The study's tables.

        Args:
            sets: the images that are measured, by name; the fit half among them.
            checkpoints: each in turn, with what was measured of every set.
            workspace: where trained flows are kept.
        """
