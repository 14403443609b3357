"""What the studies have in common: each asks something of the checkpoints of one epoch sweep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pandas as pd
from torch import Tensor

from earlyglow.datasets import ImageSet, halves, load_images
from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.running import result_of
from earlyglow.experiments.statistics import Statistics
from earlyglow.experiments.summaries import three_epochs
from earlyglow.experiments.trained_flows import FlowSpec, train_flow
from earlyglow.flows import Flow
from earlyglow.provenance import combined, source_digests
from earlyglow.store import Computed, Inputs, Tables
from earlyglow.training import TrainingConfig, choose_device, load_weights

BASE_SOURCE = (*EpochSweep.source_path, "experiments/studies/base.py")


@dataclass
class Workbench:
    """What a study works with, and the source of everything that was found half-done.

    Attributes:
        sweep: the sweep whose flow is studied.
        sets: the images that were measured: "fit", the ID set and the OOD sets.
        workspace: the folder of checkpoints and statistics.
        sources: digests of the source that made what was used.
    """

    sweep: EpochSweep
    sets: dict[str, ImageSet]
    workspace: Path
    sources: list[dict[str, str]] = field(default_factory=list)

    def checkpoints(self) -> Iterator[MeasuredCheckpoint]:
        """Every checkpoint of the sweep in turn; the flow is the same object with other weights."""
        run = self.sweep.train(self.workspace)
        self.sources.append(run.source)
        for checkpoint in self.sweep.measured(run, self.sets, self.workspace):
            self.sources += [measured.source for measured in checkpoint.statistics.values()]
            yield checkpoint

    def retrained(
        self, spec: FlowSpec, config: TrainingConfig, images: ImageSet
    ) -> Iterator[tuple[float, Flow]]:
        """Another flow, or one that is trained otherwise, at each of its epochs."""
        run = train_flow(spec, config, images, self.workspace)
        self.sources.append(run.source)
        flow = spec.build(config.seed).to(choose_device())
        for epoch, path in run.checkpoints.items():
            load_weights(flow, path)
            yield epoch, flow.eval()


@dataclass(frozen=True)
class FlowStudy(ABC):
    """A study of one trained flow: its checkpoints and what was measured under them.

    Training, checkpoints and norms are those of the :class:`EpochSweep` of the same parameters, and
    are found where that was run on this machine before.

    Attributes:
        id_dataset: the in-distribution set, which needs training images.
        ood_datasets: the sets to detect; empty for those the ID set is usually compared with.
        profile: "smoke", "classroom", "full_size" or "paper".
        seed: of weights, batches and noise.
        model: "glow" or "dense_glow".
    """

    name: ClassVar[str]
    version: ClassVar[int]
    source_path: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool] = True

    id_dataset: str = "fashion_mnist"
    ood_datasets: tuple[str, ...] = ()
    profile: str = "classroom"
    seed: int = 0
    model: str = "glow"

    def __post_init__(self) -> None:
        # Building the sweep refuses bad values before anything runs.
        object.__setattr__(self, "ood_datasets", self.sweep.ood_datasets)

    @cached_property
    def sweep(self) -> EpochSweep:
        """The sweep whose flow is studied."""
        return EpochSweep(
            self.id_dataset,
            self.ood_datasets,
            profile=self.profile,
            seed=self.seed,
            model=self.model,
        )

    @cached_property
    def shown_epochs(self) -> tuple[float, float, float]:
        """An early, a middle and the last epoch."""
        early, middle, last = three_epochs(pd.Series(self.sweep.epochs))
        return float(early), float(middle), float(last)

    def parameters(self) -> dict[str, object]:
        """The parameters as the notebook takes them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def settings(self) -> dict[str, object]:
        """What the result depends on beyond the sweep, JSON-like."""
        return {}

    def inputs(self) -> Inputs:
        """What the result depends on."""
        return self._extended(self.sweep.inputs())

    def inputs_on_trust(self) -> Inputs:
        """The same where no image is looked at."""
        return self._extended(self.sweep.inputs_on_trust())

    def _extended(self, inputs: Inputs) -> Inputs:
        return replace(
            inputs,
            experiment=self.name,
            configuration={**inputs.configuration, **self.settings()},
            versions={**inputs.versions, self.name: self.version},
        )

    def label(self) -> str:
        """A readable start for the result's folder."""
        return self.sweep.label()

    def prepare(self) -> None:
        """Compute the result if it is not stored yet."""
        result_of(self)

    def fresh_id_images(self, count: int) -> Tensor:
        """ID test images (at most ``count``) that no detector saw before.

        Where the test set holds no more, they are those that the ID scores come from; intervals of
        the difference are then too wide.
        """
        test = load_images(self.id_dataset, "test")
        _, evaluate = halves(len(test))
        scored = self.sweep.sizes.eval_images
        chosen = evaluate[scored : scored + count]
        return test.images[chosen if len(chosen) > 1 else evaluate[:count]]

    def compute(self, workspace: Path) -> Computed:
        """Train and measure, or find it done, and ask."""
        bench = Workbench(self.sweep, self.sweep.load_sets(), workspace)
        tables = self.tables(bench)
        return Computed(tables, combined(source_digests(self.source_path), *bench.sources))

    @abstractmethod
    def tables(self, bench: Workbench) -> Tables:
        """The study's tables."""


def without_fit(statistics: dict[str, Statistics]) -> dict[str, Statistics]:
    """The sets that are scored: all but the fit half."""
    return {name: measured for name, measured in statistics.items() if name != FIT}
