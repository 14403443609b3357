"""Other readings of the same gradients, and a control without any flow, as the plan has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import image_changes, measuring, reading, stored
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.profiles import ProfileName
from earlyglow_book.flow_runs.protocol import FIT, OBJECTIVES
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.flow_runs.study import FlowStudy
from earlyglow_book.parameters import Field, Whole, parameters
from earlyglow_book.results import Tables

if TYPE_CHECKING:
    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint, Statistics

_GROUP_SIZES = (1, 5)
# Test images of these sets that correlate by more are of one object and stay in one half.
_DUPLICATES = {"gtsrb": 0.9}
_TRAINING = "training images"
_TRAINING_IMAGES = 500
_MADE_IMAGES = 250
_TAIL = 1.5
MADE = ("blurred", "noisy", "patches shuffled")
# Profiles that a few minutes have to be enough for measure the paper's objective alone.
_ONE_OBJECTIVE = ("paper_short",)
# Profiles whose flows are asked whether a smaller step gains more.
_COOLED = ("long", "smoke")


@parameters
class Readings(FlowStudy):
    """Every reading of the norms, and the control, at each checkpoint of one flow."""

    name: ClassVar[str] = "readings"
    version: ClassVar[int] = 1

    profile: ProfileName = Field(
        default="long", description="Sizes: seconds, minutes, hours, or a GPU."
    )
    train_images: Whole = Field(
        default=0, ge=0, description="Training images, at most; 0 for all of the set."
    )

    @cached_property
    def run(self) -> FlowRun:
        """The flow and its images; building it refuses bad values before anything runs."""
        return FlowRun(
            self.id_dataset,
            self.ood_datasets,
            profile=self.profile,
            seed=self.seed,
            model=self.model,
            train_images=self.train_images,
            objectives=OBJECTIVES[:1] if self.profile in _ONE_OBJECTIVE else OBJECTIVES,
            duplicates=_DUPLICATES.get(self.id_dataset, 0.0),
            only_groups=_GROUP_SIZES,
        )

    def settings(self) -> dict[str, Any]:
        settings = {"training_images": _TRAINING_IMAGES, "made_images": _MADE_IMAGES, "tail": _TAIL}
        return settings | ({"cooled": True} if self.profile in _COOLED else {})

    def sets_to_measure(self) -> dict[str, ImageSet]:
        """The usual sets, some training images, and OOD images made of others of those."""
        training = self.run.training_images()
        chosen = training.take(eg.subset(len(training), _TRAINING_IMAGES + _MADE_IMAGES))
        rest = torch.arange(_TRAINING_IMAGES, len(chosen))
        return (
            super().sets_to_measure()
            | {_TRAINING: chosen.take(torch.arange(_TRAINING_IMAGES))}
            | made_of(chosen.take(rest).images)
        )

    def tables(
        self,
        sets: dict[str, ImageSet],
        checkpoints: Iterator[MeasuredCheckpoint],
        workspace: Path,
    ) -> Tables:
        pictures = reading.picture_statistics({name: sets[name] for name in (FIT, *self.scored)})
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        for checkpoint in checkpoints:
            for name, table in self.read(checkpoint, pictures).items():
                parts[name].append(table.assign(epoch=checkpoint.epoch))
        if self.profile in _COOLED:
            # The last checkpoint is there, or there were nothing to read.
            flow = self.run.cooled(self.run.train(workspace), workspace)
            pixels = measuring.noisy_pixels(sets[FIT], self.seed)
            parts["cooled"].append(
                reading.bits_table(eg.detectors.mean_log_prob(flow, pixels), flow.dims)
            )
        return {name: _one(of_table) for name, of_table in parts.items()}

    @property
    def scored(self) -> tuple[str, ...]:
        """The ID set and the OOD sets."""
        return (self.id_dataset, *self.ood_datasets)

    def read(self, checkpoint: MeasuredCheckpoint, pictures: dict[str, torch.Tensor]) -> Tables:
        """All tables of one checkpoint.

        Args:
            checkpoint: the flow and what was measured under it.
            pictures: the control's statistics of each set.
        """
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        own = self.id_dataset
        for size in _GROUP_SIZES:
            by_objective = {"": reading.likelihood_scores(checkpoint, self.scored, size)}
            by_objective[""] |= reading.control_scores(pictures, FIT, size)
            for objective in self.run.objectives:
                found = reading.scores_of(checkpoint, self.scored, size, objective)
                by_objective[objective], dropped = found
                row = {"objective": objective, "group_size": size, "tensors": ", ".join(dropped)}
                parts["left_out"].append(pd.DataFrame([row]))
            for objective, scores in by_objective.items():
                parts["readings"].append(reading.auroc_rows(scores, objective, size, own))
                parts["histograms"].append(reading.histogram_rows(scores, objective, size, own))
        tails = self._tails(checkpoint)
        for objective in self.run.objectives:
            pseudo = {name: checkpoint.statistics[name] for name in MADE} | tails
            rows = reading.id_only_rows(checkpoint, objective, _TRAINING, own, pseudo)
            parts["id_only"].append(rows.assign(objective=objective))
            curve = reading.residual_curve(checkpoint, self.scored, objective, own)
            parts["curve"].append(curve.assign(objective=objective))
        pair = (own, self.ood_datasets[0])
        parts["bits"].append(measuring.bits_of_sets(checkpoint))
        parts["fit_bits"].append(reading.bits_table(checkpoint.fit.log_prob, checkpoint.flow.dims))
        parts["plane"].append(reading.plane_rows(checkpoint, pair, self.run.objectives[0]))
        return {name: _one(of_table) for name, of_table in parts.items()}

    def _tails(self, checkpoint: MeasuredCheckpoint) -> dict[str, Statistics]:
        """What is measured of images decoded from latents too far out, if the flow decodes them."""
        flow = checkpoint.flow
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(self.seed)
            decoded = flow.sample(_MADE_IMAGES, _TAIL)
        images = image_changes.as_image_set(eg.datasets.quantize(decoded.cpu()))
        measured = measuring.measure(flow, images, (1,), self.run.objectives, self.seed)
        return {"latent tails": measured}


def _one(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return stored.compact(pd.concat(tables, ignore_index=True))


def made_of(images: torch.Tensor) -> dict[str, ImageSet]:
    """OOD images made of ID images (N, C, H, W), by the names of ``MADE``."""
    changed = (
        image_changes.blurred(images),
        image_changes.noisy(images),
        image_changes.shuffled_patches(images),
    )
    return dict(zip(MADE, map(image_changes.as_image_set, changed), strict=True))
