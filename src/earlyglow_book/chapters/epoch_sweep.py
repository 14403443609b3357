"""The central experiment: how well each detector works as the flow matures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import earlyglow as eg
from earlyglow_book.chapters.tools import aurocs, intervals, measuring, stored
from earlyglow_book.deferred import np, pd, torch
from earlyglow_book.flow_runs.detectors import (
    DEFAULT,
    LEAST_GROUPS,
    DetectorChoice,
    build_detector,
)
from earlyglow_book.flow_runs.protocol import FIT, OBJECTIVES, SWEEP_VERSIONS, three_epochs
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.flow_runs.study import FlowExperiment, FlowModel, FlowProfile
from earlyglow_book.parameters import (
    Epochs,
    Field,
    IdDataset,
    OodDatasets,
    ParameterError,
    Seed,
    Whole,
    parameters,
)
from earlyglow_book.results import Computed, Tables
from earlyglow_book.tables.texts import Texts, formatted
from earlyglow_book.titles import detector_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint

Objective = Literal["log_prob", "sum_z"]
_SAMPLED_EPOCHS = 4
_SAMPLES = 12
_TEMPERATURE = 0.7
_EXAMPLES = 12


@parameters
class EpochSweep(FlowExperiment):
    """Every detector on every OOD set, at each epoch of one flow's training.

    The result does not depend on the objective, which is only shown.
    """

    name: ClassVar[str] = "epoch_sweep"
    versions: ClassVar[dict[str, int]] = SWEEP_VERSIONS

    id_dataset: IdDataset = "fashion_mnist"
    ood_datasets: OodDatasets = ()
    epochs: Epochs = ()
    group_size: Whole = Field(
        default=1,
        ge=1,
        description="Images in a group of the figures, up to 50 (30 at smoke); a stored result "
        "has 1, 2, 5, 10 and 25.",
    )
    objective: Objective = Field(
        default="log_prob", description="What the shown gradient score differentiates."
    )
    profile: FlowProfile = "classroom"
    seed: Seed = 0
    model: FlowModel = "glow"
    images: Whole = Field(
        default=0,
        ge=0,
        description="Scored images of each set, at most: 20 or more, 0 for the profile's.",
    )
    detector: DetectorChoice = DEFAULT

    def __post_init__(self) -> None:
        if self.group_size not in self.detector_sizes:
            raise ParameterError(
                f"group_size is {self.group_size}, but detector {self.detector!r} is fitted on at "
                f"least {LEAST_GROUPS} groups; it must be at most {max(self.detector_sizes)}."
            )
        object.__setattr__(self, "ood_datasets", self.run.ood_datasets)
        object.__setattr__(self, "epochs", self.run.epochs)

    @cached_property
    def run(self) -> FlowRun:
        return FlowRun(
            self.id_dataset,
            self.ood_datasets,
            self.epochs,
            self.group_size,
            self.profile,
            self.seed,
            self.model,
            self.images,
        )

    @property
    def detector_sizes(self) -> tuple[int, ...]:
        """The group sizes at which the chosen detector can be fitted."""
        if self.detector == DEFAULT:
            return self.run.group_sizes
        images = self.run.sizes.fit_images
        return tuple(size for size in self.run.group_sizes if images >= LEAST_GROUPS * size)

    def configuration(self) -> dict[str, Any]:
        # What is at its default is not named: results that are older than it keep their keys.
        chosen = {} if self.detector == DEFAULT else {"detector": self.detector}
        return {**super().configuration(), **chosen}

    def label(self) -> str:
        own = super().label()
        return own if self.detector == DEFAULT else f"{own}-{self.detector}"

    def compute(self, workspace: Path) -> Computed:
        """Train, measure and score; what is done is kept in ``workspace``."""
        # All images first: a set that is missing must not be noticed after the training.
        sets = self.run.load_sets()
        trained = self.run.train(workspace)
        parts: dict[str, list[pd.DataFrame]] = {"pictures": list(_examples(sets))}
        for checkpoint in self.run.measured(trained, sets, workspace):
            for name, table in self._tables(checkpoint).items():
                parts.setdefault(name, []).append(table.assign(epoch=checkpoint.epoch))
        return Computed({**stored.joined_parts(parts), "training": pd.DataFrame(trained.log)})

    def _tables(self, checkpoint: MeasuredCheckpoint) -> Tables:
        """The tables of one checkpoint; scores and samples of a few epochs only."""
        epoch = checkpoint.epoch
        scores, dropped = scored(checkpoint, self.run.group_sizes)
        if self.detector != DEFAULT:
            scores = pd.concat([scores, *self._chosen_rows(checkpoint)], ignore_index=True)
        tables = {
            "aurocs": aurocs.auroc_table(scores.assign(epoch=epoch), self.id_dataset),
            "layers": dropped,
            "epochs": measuring.bits_of_sets(checkpoint),
        }
        if epoch in self.run.shown_epochs:
            # No figure shows typicality.
            tables["scores"] = scores[scores["detector"] != "typicality"]
        if self._is_sampled(epoch):
            drawn = measuring.sampled(checkpoint.flow, _SAMPLES, _TEMPERATURE, self.seed)
            tables["pictures"] = stored.picture_table("sample", drawn)
        return tables

    def _chosen_rows(self, checkpoint: MeasuredCheckpoint) -> Iterator[pd.DataFrame]:
        for size in self.detector_sizes:
            for objective in OBJECTIVES:
                detector = build_detector(self.detector, checkpoint.flow, size, objective)
                yield detector_rows(checkpoint, detector, self.detector, objective, size)

    def _is_sampled(self, epoch: float) -> bool:
        """Samples are kept at a few epochs, and only where the training images may be shown."""
        picked = np.linspace(0, len(self.epochs) - 1, _SAMPLED_EPOCHS).round().astype(int)
        shown = eg.DATASETS[self.id_dataset].may_be_shown
        return shown and epoch in {self.epochs[i] for i in picked}


def flow_sweep(run: FlowRun) -> EpochSweep:
    """The epoch sweep of a flow that is studied otherwise."""
    return EpochSweep(
        run.id_dataset, run.ood_datasets, profile=run.profile, seed=run.seed, model=run.model
    )


def detector_rows(
    checkpoint: MeasuredCheckpoint, detector: Any, name: str, objective: str, size: int
) -> pd.DataFrame:
    """Scores of every set by a detector fitted on the fit half, as rows."""
    scores = measuring.fitted_scores(detector, checkpoint.detector_inputs(objective, size))
    return aurocs.set_rows(scores, name, objective, size)


def scored(
    checkpoint: MeasuredCheckpoint, group_sizes: tuple[int, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every detector on every scored set, and the tensors that it left out."""
    scores, dropped = [], []
    for size in group_sizes:
        for name, objective, detector in _detectors(checkpoint.flow, size):
            scores.append(detector_rows(checkpoint, detector, name, objective, size))
            if name == "layer_gradients":
                facts = {"tensors": len(detector.names), "dropped": len(detector.dropped)}
                dropped.append({"group_size": size, "objective": objective, **facts})
    return pd.concat(scores, ignore_index=True), pd.DataFrame(dropped)


def _detectors(flow: eg.Flow, size: int) -> Iterator[tuple[str, str, Any]]:
    """Name, objective and detector."""
    for objective in OBJECTIVES:
        yield "layer_gradients", objective, eg.LayerGradientDetector(flow, size, objective)
    yield "likelihood", "", eg.LikelihoodDetector(flow, size)
    yield "typicality", "", eg.TypicalityDetector(flow, size)


def _examples(sets: Mapping[str, ImageSet]) -> Iterator[pd.DataFrame]:
    """A few images of each scored set, none where its terms do not allow them to be shown."""
    for name, images in sets.items():
        if name != FIT:
            few = images.images[:_EXAMPLES]
            shown = few if eg.DATASETS[images.name].may_be_shown else torch.zeros_like(few[:0])
            yield stored.picture_table(name, shown).assign(epoch=-1.0)


def bits_by_epoch(epochs: pd.DataFrame, dataset: str) -> pd.Series:
    """Bits per dimension of one set by epoch, from the sweep's table "epochs"."""
    return epochs[epochs["dataset"] == dataset].set_index("epoch")["bits_per_dim"]


def words(chapter: EpochSweep, tables: Tables) -> Texts:
    """Means over the OOD sets at the first and the last trained epoch, and the best of all."""
    size = chapter.group_size
    chosen = aurocs.select(tables["aurocs"], chapter.detector, chapter.objective, size)
    first, _, last = three_epochs(chosen["epoch"])
    means = aurocs.mean_by_epoch(tables["aurocs"], chapter.detector, chapter.objective, size)
    likelihood = aurocs.mean_by_epoch(tables["aurocs"], "likelihood", "", size)
    bits = bits_by_epoch(tables["epochs"], chapter.id_dataset)
    return {
        "epoch_images": f"{chapter.run.sizes.images_per_epoch:,}",
        "sets": str(chosen["ood"].nunique()),
        "items": f"{chosen['n_id'].iloc[0]} ID against up to {chosen['n_ood'].max()} OOD",
        **formatted("g", first_epoch=first, last_epoch=last, best_epoch=means.idxmax()),
        **formatted(".3f", mean_first=means[first], mean_last=means[last], mean_best=means.max()),
        **formatted(".3f", likelihood_last=likelihood[last]),
        **formatted(".2f", bits_first=bits[first], bits_last=bits[last]),
    }


def detectors_at_epoch(table: pd.DataFrame, epoch: float) -> Figure:
    """AUROC with interval of every detector at one epoch, one row per OOD set; one group size."""
    chosen = table[table["epoch"] == epoch]
    pairs = zip(chosen["detector"].astype(str), chosen["objective"].astype(str), strict=True)
    named = chosen.assign(name=[detector_title(*pair) for pair in pairs])
    return intervals.intervals_by_row({f"epoch {epoch:g}": named}, "ood", "name")
