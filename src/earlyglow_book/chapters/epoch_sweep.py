"""The central experiment: how well each detector works as the flow matures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from earlyglow.datasets import DATASETS, ImageSet, find_fingerprint, load_images
from earlyglow.experiments import statistics, sweep_tables, trained_flows
from earlyglow.experiments.compared_sets import require_comparable
from earlyglow.experiments.measured import (
    FIT,
    MeasuredCheckpoint,
    measured_checkpoints,
    sets_to_measure,
)
from earlyglow.experiments.profiles import Profile, find_profile
from earlyglow.experiments.running import result_of
from earlyglow.experiments.statistics import OBJECTIVES
from earlyglow.experiments.summaries import auroc_table, three_epochs
from earlyglow.experiments.trained_flows import (
    MODELS,
    FlowSpec,
    flow_spec,
    train_flow,
    training_config,
)
from earlyglow.provenance import combined, source_digests
from earlyglow.settings import require_choice, require_whole
from earlyglow.store import Computed, Inputs
from earlyglow.training import TrainingConfig, TrainingRun

_COMPARED = (
    ("mnist", "fashion_mnist", "kmnist", "omniglot", "notmnist"),
    ("cifar10", "gtsrb", "celeba", "tiny_imagenet", "svhn"),
    ("digits", "textures"),
)
_GROUP_SIZES = (1, 2, 5, 10, 25)
_LEAST_GROUPS = 10
_LEAST_IMAGES = 20
_SAMPLED_EPOCHS = 4


@dataclass(frozen=True)
class EpochSweep:
    """Parameters of the epoch sweep, as its notebook declares them.

    Attributes:
        id_dataset: the in-distribution set, which needs training images.
        ood_datasets: the sets to detect; empty for those the ID set is usually compared with.
        epochs: epochs to score; empty for the profile's.
        group_size: images in a group of the figures, 1 to 50 (to 30 at the smoke profile); a
            stored result has 1, 2, 5, 10 and 25.
        objective: what the shown gradient score differentiates, "log_prob" or "sum_z".
        profile: "smoke", "classroom", "full_size" or "paper".
        seed: of weights, batches and noise.
        model: "glow" or "dense_glow".
        images: images of each set that are scored (and of the fit half), at most: 20 or more, or
            0 for the number of the profile.
    """

    name: ClassVar[str] = "epoch_sweep"
    reproducible: ClassVar[bool] = True
    # Raised by hand when the meaning of a step changes.
    versions: ClassVar[dict[str, int]] = {
        **trained_flows.VERSIONS,
        **statistics.VERSIONS,
        "detectors": 1,
        "epoch_sweep": 2,
    }
    source_path: ClassVar[tuple[str, ...]] = (
        "datasets",
        "detectors",
        "experiments/epoch_sweep.py",
        "experiments/measured.py",
        "experiments/statistics.py",
        "experiments/summaries.py",
        "experiments/sweep_tables.py",
        "experiments/trained_flows.py",
        "flows",
        "gradients",
        "metrics.py",
        "training",
    )

    id_dataset: str = "fashion_mnist"
    ood_datasets: tuple[str, ...] = ()
    epochs: tuple[float, ...] = ()
    group_size: int = 1
    objective: str = "log_prob"
    profile: str = "classroom"
    seed: int = 0
    model: str = "glow"
    images: int = 0

    def __post_init__(self) -> None:
        require_comparable(self.id_dataset, self.ood_datasets)
        require_choice("model", self.model, MODELS)
        require_choice("objective", self.objective, OBJECTIVES)
        require_whole("group_size", self.group_size, 1)
        require_whole("seed", self.seed, 0)
        require_whole("images", self.images, 0)
        if 0 < self.images < _LEAST_IMAGES:
            raise ValueError(
                f"images is {self.images}, but it must be 0 or at least {_LEAST_IMAGES}."
            )
        sizes = self.sizes
        largest = min(50, min(sizes.fit_images, sizes.eval_images, sizes.ood_images) // 2)
        if self.group_size > largest:
            raise ValueError(
                f"group_size is {self.group_size}, but at profile {self.profile!r} it must be at "
                f"most {largest}, so that there are groups to compare."
            )
        object.__setattr__(self, "ood_datasets", self.ood_datasets or self._usual_ood())
        object.__setattr__(self, "epochs", tuple(self.epochs or sizes.epochs))
        # Built here so that a bad setting is refused before anything runs.
        object.__setattr__(self, "epochs", tuple(self.training.epochs))
        self.flow.build(self.seed)

    @property
    def sizes(self) -> Profile:
        """The profile's sizes, with the number of images where it is given."""
        profile = find_profile(self.profile)
        if not self.images:
            return profile
        return replace(
            profile, fit_images=self.images, eval_images=self.images, ood_images=self.images
        )

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """The group sizes that are measured: those that leave ten groups, and the one asked for."""
        sizes = self.sizes
        images = min(sizes.fit_images, sizes.eval_images, sizes.ood_images)
        usual = {size for size in _GROUP_SIZES if images >= _LEAST_GROUPS * size}
        return tuple(sorted({*usual, self.group_size}))

    @cached_property
    def flow(self) -> FlowSpec:
        """The flow to train."""
        return flow_spec(self.model, self.id_dataset, self.sizes)

    @cached_property
    def training(self) -> TrainingConfig:
        """How it is trained."""
        return training_config(self.model, self.id_dataset, self.sizes, self.epochs, self.seed)

    def parameters(self) -> dict[str, object]:
        """The parameters as the notebook takes them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def inputs(self) -> Inputs:
        """What the result depends on; the shown objective is not part of it."""
        return self._inputs({split: find_fingerprint(*split) for split in self._splits()})

    def inputs_on_trust(self) -> Inputs:
        """The same where no image is looked at."""
        return self._inputs(dict.fromkeys(self._splits()))

    def _splits(self) -> list[tuple[str, str]]:
        own = [(self.id_dataset, "train"), (self.id_dataset, "test")]
        return own + [(name, "test") for name in self.ood_datasets]

    def _inputs(self, fingerprints: Mapping[tuple[str, str], str | None]) -> Inputs:
        scoring = {
            "fit_images": self.sizes.fit_images,
            "eval_images": self.sizes.eval_images,
            "ood_images": self.sizes.ood_images,
            "group_sizes": list(self.group_sizes),
            "objectives": list(OBJECTIVES),
        }
        configuration = {
            "id_dataset": self.id_dataset,
            "ood_datasets": list(self.ood_datasets),
            "flow": self.flow.as_dict(),
            "training": self.training.as_dict(),
            "scoring": scoring,
        }
        data = {f"{name}/{split}": found for (name, split), found in fingerprints.items()}
        return Inputs(self.name, configuration, data, self.seed, self.versions)

    def label(self) -> str:
        """A readable start for the result's folder."""
        return f"{self.id_dataset}-{self.model}-{self.profile}-seed{self.seed}"

    def prepare(self) -> None:
        """Compute the result if it is not stored yet."""
        result_of(self)

    def compute(self, workspace: Path) -> Computed:
        """Train, measure and score; what is done is kept in ``workspace``."""
        # All images first: a set that is missing must not be noticed after the training.
        sets = self.load_sets()
        run = self.train(workspace)
        scores, aurocs, epochs, layers, samples = [], [], [], [], []
        sources = [run.source]
        shown = three_epochs(pd.Series(self.epochs))
        for checkpoint in self.measured(run, sets, workspace):
            epoch, flow, measured = checkpoint.epoch, checkpoint.flow, checkpoint.statistics
            sources += [of_set.source for of_set in measured.values()]
            scored, dropped = sweep_tables.score(flow, measured, self.group_sizes)
            scored = scored.assign(epoch=epoch)
            aurocs.append(auroc_table(scored, self.id_dataset))
            if epoch in shown:
                scores.append(sweep_tables.shown_scores(scored))
            layers.append(dropped.assign(epoch=epoch))
            epochs.append(sweep_tables.bits_per_dim(flow, measured).assign(epoch=epoch))
            if self._is_sampled(epoch):
                samples.append(sweep_tables.samples(flow, self.seed).assign(epoch=epoch))
        tables = {
            "aurocs": sweep_tables.compact(pd.concat(aurocs, ignore_index=True)),
            "scores": sweep_tables.compact(pd.concat(scores, ignore_index=True)),
            "layers": sweep_tables.compact(pd.concat(layers, ignore_index=True)),
            "epochs": sweep_tables.compact(pd.concat(epochs, ignore_index=True)),
            "training": pd.DataFrame(run.log),
            "pictures": sweep_tables.compact(
                pd.concat([*sweep_tables.examples(sets), *samples], ignore_index=True)
            ),
        }
        return Computed(tables, combined(source_digests(self.source_path), *sources))

    def load_sets(self) -> dict[str, ImageSet]:
        """The images to measure: the fit half ("fit"), the eval half, and the OOD sets.

        Raises:
            ValueError: a set makes no two groups of the largest size.
        """
        sets = sets_to_measure(self.id_dataset, self.ood_datasets, self.sizes)
        name, fewest = min(((n, len(s)) for n, s in sets.items()), key=lambda item: item[1])
        largest = max(self.group_sizes)
        if fewest < 2 * largest:
            raise ValueError(
                f"there are {fewest} images of {'the fit half' if name == FIT else name}, but two "
                f"groups of {largest} need {2 * largest}; set images to at most "
                f"{max(fewest, _LEAST_IMAGES)}, which leaves smaller groups, or lower group_size."
            )
        return sets

    def train(self, workspace: Path) -> TrainingRun:
        """Train the flow, or find it trained."""
        images = load_images(self.id_dataset, "train")
        return train_flow(self.flow, self.training, images, workspace)

    def measured(
        self, run: TrainingRun, sets: Mapping[str, ImageSet], workspace: Path
    ) -> Iterator[MeasuredCheckpoint]:
        """Every checkpoint with what was measured of every set."""
        flow = self.flow.build(self.seed)
        return measured_checkpoints(
            flow, run.checkpoints, sets, self.group_sizes, self.seed, workspace
        )

    def _usual_ood(self) -> tuple[str, ...]:
        together = next((names for names in _COMPARED if self.id_dataset in names), ())
        others = tuple(name for name in together if name != self.id_dataset)
        if not others:
            raise ValueError(
                f"ood_datasets is empty, and {self.id_dataset!r} has no usual sets to be compared "
                "with; name at least one."
            )
        return others

    def _is_sampled(self, epoch: float) -> bool:
        """Samples are kept at a few epochs, and only where the training images may be shown."""
        picked = np.linspace(0, len(self.epochs) - 1, _SAMPLED_EPOCHS).round().astype(int)
        shown = DATASETS[self.id_dataset].may_be_shown
        return shown and epoch in {self.epochs[i] for i in picked}
