"""One trained flow and the images that it is tried on: what sweeps and studies begin with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import earlyglow as eg
from earlyglow.training.config import TrainingConfig
from earlyglow_book.deferred import Deferred
from earlyglow_book.flow_runs.flows import (
    FlowSpec,
    ModelName,
    flow_spec,
    train_flow,
    training_config,
)
from earlyglow_book.flow_runs.profiles import Profile, ProfileName, find_profile
from earlyglow_book.flow_runs.protocol import FIT, OBJECTIVES, three_epochs
from earlyglow_book.image_sets import USUAL_OOD, require_comparable, usual_ood
from earlyglow_book.parameters import ParameterError
from earlyglow_book.titles import file_name

if TYPE_CHECKING:
    from torch import Tensor

    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs import measuring
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint
else:
    measuring = Deferred("earlyglow_book.flow_runs.measuring")

_GROUP_SIZES = (1, 2, 5, 10, 25)
_LEAST_GROUPS = 10
_LEAST_IMAGES = 20
_COOLING_STEPS, _COOLING_RATE = 0.05, 0.1


@dataclass(frozen=True)
class FlowRun:
    """A flow of a profile on its ID set, trained and measured on the ID set and the OOD sets.

    Attributes:
        id_dataset: the ID set, which needs training images.
        ood_datasets: the OOD sets; the usual ones where empty.
        epochs: epochs at which it is kept and measured; the profile's where empty.
        group_size: a group size that is measured beside the usual ones.
        profile: its sizes.
        seed: of weights, batches and noise.
        model: "glow" or "dense_glow".
        images: images of each set that are scored, at most; 0 for the profile's number.
        train_images: training images, at most; 0 for all.
        objectives: what is differentiated.
        duplicates: ID test images that correlate by more come into one half; 0 for halves that
            look at no image.
        only_groups: the group sizes that are measured; the usual ones where empty.
    """

    id_dataset: str
    ood_datasets: tuple[str, ...] = ()
    epochs: tuple[float, ...] = ()
    group_size: int = 1
    profile: ProfileName = "classroom"
    seed: int = 0
    model: ModelName = "glow"
    images: int = 0
    train_images: int = 0
    objectives: tuple[str, ...] = OBJECTIVES
    duplicates: float = 0.0
    only_groups: tuple[int, ...] = ()
    sizes: Profile = field(init=False, repr=False)
    spec: FlowSpec = field(init=False, repr=False)
    training: TrainingConfig = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_comparable(self.id_dataset, self.ood_datasets, USUAL_OOD)
        sizes = find_profile(self.profile)
        if 0 < self.images < _LEAST_IMAGES:
            raise ParameterError(
                f"images is {self.images}, but it must be 0 or at least {_LEAST_IMAGES}."
            )
        if self.images:
            sizes = replace(
                sizes, fit_images=self.images, eval_images=self.images, ood_images=self.images
            )
        largest = min(50, sizes.scored_images // 2)
        if self.group_size > largest:
            raise ParameterError(
                f"group_size is {self.group_size}, but at profile {self.profile!r} it must be at "
                f"most {largest}, so that there are groups to compare."
            )
        epochs = tuple(self.epochs or sizes.epochs)
        training = training_config(self.model, self.id_dataset, sizes, epochs, self.seed)
        resolved = {
            "ood_datasets": self.ood_datasets or usual_ood(self.id_dataset),
            "epochs": tuple(training.epochs),
            "sizes": sizes,
            "spec": flow_spec(self.model, self.id_dataset, sizes),
            "training": training,
        }
        for name, value in resolved.items():
            object.__setattr__(self, name, value)

    @cached_property
    def group_sizes(self) -> tuple[int, ...]:
        """The group sizes that are measured: those that leave ten groups, and the one asked for."""
        if self.only_groups:
            return self.only_groups
        images = self.sizes.scored_images
        usual = {size for size in _GROUP_SIZES if images >= _LEAST_GROUPS * size}
        return tuple(sorted({*usual, self.group_size}))

    @cached_property
    def shown_epochs(self) -> tuple[float, float, float]:
        """An early, a middle and the last epoch."""
        return three_epochs(self.epochs)

    def label(self) -> str:
        """A readable name: ID set, model, profile and seed."""
        return f"{file_name(self.id_dataset)}-{self.model}-{self.profile}-seed{self.seed}"

    def splits(self) -> list[tuple[str, str]]:
        """Name and split of the image sets that are used."""
        id_splits = [(self.id_dataset, "train"), (self.id_dataset, "test")]
        return id_splits + [(name, "test") for name in self.ood_datasets]

    def configuration(self) -> dict[str, Any]:
        """What the checkpoints and their norms depend on, JSON-like."""
        # What is at its default is not named: results that are older than it keep their keys.
        further = {"train_images": self.train_images, "duplicates": self.duplicates}
        return {
            "id_dataset": self.id_dataset,
            "ood_datasets": list(self.ood_datasets),
            "flow": self.spec.as_dict(),
            "training": self.training.as_dict(),
            **{name: value for name, value in further.items() if value},
            "scoring": {
                "fit_images": self.sizes.fit_images,
                "eval_images": self.sizes.eval_images,
                "ood_images": self.sizes.ood_images,
                "group_sizes": list(self.group_sizes),
                "objectives": list(self.objectives),
            },
        }

    def load_sets(self) -> dict[str, ImageSet]:
        """The images to measure: the fit half (``FIT``), the eval half, and the OOD sets.

        Raises:
            ParameterError: a set makes no two groups of the largest size.
        """
        test, sizes = eg.load_images(self.id_dataset, "test"), self.sizes
        fit, evaluate = self._halves(test)
        sets = {
            FIT: test.take(fit[: sizes.fit_images]),
            self.id_dataset: test.take(evaluate[: sizes.eval_images]),
        }
        for name in self.ood_datasets:
            images = eg.load_images(name, "test")
            chosen = images.take(eg.subset(len(images), sizes.ood_images))
            sets[name] = chosen.matched_to(test.image_shape)
        self._require_groups(sets)
        return sets

    def load_fresh_id_images(self, count: int) -> ImageSet:
        """ID test images (at most ``count``) that no detector saw before.

        Where the test set holds no more, they are those that the ID scores come from; intervals of
        the difference are then too wide.
        """
        test = eg.load_images(self.id_dataset, "test")
        _, evaluate = eg.halves(len(test))
        scored = self.sizes.eval_images
        fresh = evaluate[scored : scored + count]
        return test.take(fresh if len(fresh) > 1 else evaluate[:count])

    def training_images(self) -> ImageSet:
        """The training set, or the part of it that is used."""
        images = eg.load_images(self.id_dataset, "train")
        if not self.train_images:
            return images
        return images.take(eg.subset(len(images), self.train_images))

    def train(self, workspace: Path) -> eg.TrainingRun:
        """Train the flow, or find it trained in ``workspace``."""
        return train_flow(self.spec, self.training, self.training_images(), workspace)

    def cooled(self, trained: eg.TrainingRun, workspace: Path) -> eg.Flow:
        """The last checkpoint's flow after a twentieth more steps at a tenth of the rate."""
        last = max(trained.checkpoints)
        images, path = self.training_images(), trained.checkpoints[last]
        one_step = 1 / self.training.steps_per_epoch(len(images))
        config = replace(
            self.training,
            epochs=(max(_COOLING_STEPS * last, one_step),),
            learning_rate=_COOLING_RATE * self.training.learning_rate,
            warmup_epochs=0,
        )
        flow = self.spec.build(self.seed)
        eg.load_weights(flow, path)
        folder = workspace / "checkpoints" / f"{path.parent.name}-cooled"
        eg.train(flow, images, config, folder)
        return flow

    def measured(
        self, trained: eg.TrainingRun, sets: dict[str, ImageSet], workspace: Path
    ) -> Iterator[MeasuredCheckpoint]:
        """Every checkpoint in turn, measured on all sets, or found measured in ``workspace``.

        The flow is one object with the weights of one checkpoint after the other.
        """
        return measuring.measured_checkpoints(
            self.spec.build(self.seed),
            trained.checkpoints,
            sets,
            self.group_sizes,
            self.objectives,
            self.seed,
            workspace,
        )

    def _halves(self, test: ImageSet) -> tuple[Tensor, Tensor]:
        if not self.duplicates:
            return eg.halves(len(test))
        clusters = eg.datasets.near_duplicates(test.images, self.duplicates)
        return eg.datasets.halves_of_clusters(clusters)

    def _require_groups(self, sets: dict[str, ImageSet]) -> None:
        name, fewest = min(((n, len(s)) for n, s in sets.items()), key=lambda item: item[1])
        largest = max(self.group_sizes)
        if fewest < 2 * largest:
            raise ParameterError(
                f"there are {fewest} images of {'the fit half' if name == FIT else name}, but two "
                f"groups of {largest} need {2 * largest}; set images to at most "
                f"{max(fewest, _LEAST_IMAGES)}, which leaves smaller groups, or lower group_size."
            )


def trained_otherwise(
    spec: FlowSpec, config: TrainingConfig, images: ImageSet, workspace: Path
) -> Iterator[tuple[float, eg.Flow]]:
    """Another flow, or one that is trained otherwise, at each of its epochs."""
    run = train_flow(spec, config, images, workspace)
    flow = spec.build(config.seed).to(eg.training.choose_device())
    for epoch, path in run.checkpoints.items():
        eg.load_weights(flow, path)
        yield epoch, flow.eval()
