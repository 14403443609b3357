"""The control without a flow on the images of the classroom's sweeps: a table for each ID set."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from earlyglow_book.chapters.tools import aurocs, reading, stored
from earlyglow_book.deferred import pd
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.flow_runs.study import FlowExperiment, FlowProfile
from earlyglow_book.parameters import DatasetName, Field, Names, parameters
from earlyglow_book.results import Computed
from earlyglow_book.titles import file_name

_GROUP_SIZES = (1, 5)


@parameters
class NoFlow(FlowExperiment):
    """AUROCs of statistics of the picture alone, for the images that a sweep scores."""

    name: ClassVar[str] = "no_flow"
    shown_by: ClassVar[str] = "verdict"
    versions: ClassVar[dict[str, int]] = {"datasets": 1, "no_flow": 1}

    id_dataset: DatasetName = Field(default="fashion_mnist", description="The ID set.")
    ood_datasets: Names = Field(default=(), description="The OOD sets; empty for the usual ones.")
    profile: FlowProfile = "classroom"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ood_datasets", self.run.ood_datasets)

    @cached_property
    def run(self) -> FlowRun:
        """Which images are fitted and scored; its flow is never made."""
        return FlowRun(self.id_dataset, self.ood_datasets, profile=self.profile)

    def configuration(self) -> dict[str, Any]:
        """The images alone: no flow has a part in it."""
        sizes = self.run.sizes
        return {
            "id_dataset": self.id_dataset,
            "ood_datasets": list(self.ood_datasets),
            "images": [sizes.fit_images, sizes.eval_images, sizes.ood_images],
            "group_sizes": list(_GROUP_SIZES),
        }

    def splits(self) -> list[tuple[str, str]]:
        return [(name, "test") for name in (self.id_dataset, *self.ood_datasets)]

    def label(self) -> str:
        return f"{file_name(self.id_dataset)}-{self.profile}"

    def compute(self, workspace: Path) -> Computed:
        """Fit the control on the fit half and score the others."""
        pictures = reading.picture_statistics(self.run.load_sets())
        rows = [
            reading.auroc_rows(reading.control_scores(pictures, size), "", size, self.id_dataset)
            for size in _GROUP_SIZES
        ]
        return Computed({"aurocs": pd.concat(rows, ignore_index=True)})


@parameters
class PictureScores(NoFlow):
    """The control's score of every single image, to be put beside the scores of flows."""

    name: ClassVar[str] = "picture_scores"
    versions: ClassVar[dict[str, int]] = {**NoFlow.versions, "picture_scores": 1}

    def compute(self, workspace: Path) -> Computed:
        """Fit the control on the fit half and score the others."""
        pictures = reading.picture_statistics(self.run.load_sets())
        (scores,) = reading.control_scores(pictures, 1).values()
        return Computed({"scores": stored.compact(aurocs.set_rows(scores, reading.NO_FLOW))})
