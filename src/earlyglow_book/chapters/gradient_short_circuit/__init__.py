"""Gradient Short-Circuit beside the detectors of the field, on classifiers trained here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import earlyglow as eg
from earlyglow.checks import require_choice
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.deferred import Deferred
from earlyglow_book.experiment import Experiment, result_of
from earlyglow_book.flow_runs.profiles import ClassifierSizes, find_classifier_sizes
from earlyglow_book.image_sets import (
    USUAL_OOD_OF_CLASSIFIERS,
    require_comparable,
    usual_ood,
)
from earlyglow_book.parameters import DatasetName, Field, Names, Number, Whole, parameters
from earlyglow_book.results import Computed
from earlyglow_book.titles import file_name

if TYPE_CHECKING:
    from earlyglow_book.chapters.gradient_short_circuit import comparison, inputs, shares
else:
    comparison = Deferred("earlyglow_book.chapters.gradient_short_circuit.comparison")
    inputs = Deferred("earlyglow_book.chapters.gradient_short_circuit.inputs")
    shares = Deferred("earlyglow_book.chapters.gradient_short_circuit.shares")

GSC, GSC_EXACT, PLAIN = "GSC", "GSC (exact)", "no intervention"
GRAD_NORM_CLOSED_FORM = "GradNorm (closed form)"
# The plain forward pass, beside which times are measured.
FORWARD = "forward"
# Where each network may be cut; if nothing else is asked for, it is cut at the last but one.
PLACES = {"resnet": ("stage1", "stage2", "stage3.0", "pool"), "cnn": ("stage1", "stage2", "pool")}
# Sets of noise that are drawn for a classifier, among the names of OOD sets.
NOISE = ("uniform_noise", "gaussian_noise")

LabelledSet = Annotated[
    DatasetName, Field(description="The labelled set that the classifier is trained on.")
]
ClassifierSeed = Annotated[Whole, Field(ge=0, description="Of weights, batches and noise.")]
Fraction = Annotated[Number, Field(gt=0, le=1, description="Share of the features that are cut.")]
ProfileName = Annotated[
    Literal["smoke", "classroom"], Field(description="Sizes: seconds, or minutes.")
]


@parameters
class ShortCircuit(Experiment):
    """Gradient Short-Circuit and the baselines on one classifier."""

    name: ClassVar[str] = "gradient_short_circuit"
    # Raised by hand when the meaning of a step changes.
    versions: ClassVar[dict[str, int]] = {
        "classifiers": 1,
        "datasets": 1,
        "gradient_short_circuit": 2,
        "short_circuit": 1,
    }

    id_dataset: LabelledSet = "cifar10"
    ood_datasets: Names = Field(
        default=(),
        description="The OOD sets, uniform_noise and gaussian_noise among them; empty for the "
        "usual ones.",
    )
    split_at: str = Field(
        default="",
        description="Module after which the classifier is cut; empty for the one before the last "
        "convolutions.",
    )
    fraction: Fraction = 0.05
    intervention: Literal["zero", "scale", "clamp"] = Field(
        default="zero",
        description="What happens to them: zero, half their size, or the mean magnitude.",
    )
    score: Literal["energy", "msp", "max_logit"] = Field(
        default="energy", description="Score of the new logits."
    )
    profile: ProfileName = "classroom"
    seed: ClassifierSeed = 0

    def __post_init__(self) -> None:
        known = (*eg.DATASETS, *NOISE)
        require_comparable(self.id_dataset, self.ood_datasets, USUAL_OOD_OF_CLASSIFIERS, known)
        places = PLACES[self.network]
        oods = self.ood_datasets or usual_ood(self.id_dataset, USUAL_OOD_OF_CLASSIFIERS)
        object.__setattr__(self, "ood_datasets", oods)
        object.__setattr__(self, "split_at", self.split_at or places[-2])
        require_choice("split_at", self.split_at, places)
        # Built here so that a bad setting is refused before anything runs.
        _ = self.sweep

    @property
    def sizes(self) -> ClassifierSizes:
        """The profile's sizes."""
        return find_classifier_sizes(self.profile)

    @property
    def network(self) -> str:
        """Which network the set gets: "resnet" or "cnn"."""
        return network_name(self.id_dataset)

    @property
    def plain_score(self) -> str:
        """The detector that this is without an intervention."""
        return {"energy": "Energy", "msp": "MSP", "max_logit": "MaxLogit"}[self.score]

    @property
    def sweep(self) -> EpochSweep:
        """The flow of the same ID set, whose gradients score the same images."""
        usual = self.ood_datasets == USUAL_OOD_OF_CLASSIFIERS.get(self.id_dataset)
        named = () if usual else tuple(name for name in self.ood_datasets if name not in NOISE)
        return EpochSweep(self.id_dataset, named, profile=self.profile, seed=self.seed)

    @property
    def shares(self) -> ShortCircuitShares:
        """The same classifier, cut as much as its accuracy allows."""
        return ShortCircuitShares(self.id_dataset, self.profile, self.seed)

    @property
    def times(self) -> ShortCircuitCost:
        """What the detectors cost on the same network."""
        return ShortCircuitCost(self.id_dataset, self.fraction, self.profile)

    def configuration(self) -> dict[str, Any]:
        return {
            **self.parameters(),
            "sizes": asdict(self.sizes),
            "training": inputs.classifier_config(self).as_dict(),
        }

    def splits(self) -> list[tuple[str, str]]:
        id_splits = [(self.id_dataset, "train"), (self.id_dataset, "test")]
        return id_splits + [(name, "test") for name in self.ood_datasets if name not in NOISE]

    def label(self) -> str:
        return f"{file_name(self.id_dataset)}-{self.profile}-seed{self.seed}"

    def prepare(self) -> None:
        """Compute all that the notebook shows, where it is not stored yet."""
        for experiment in (self, self.sweep, self.times, self.shares):
            result_of(experiment)

    def compute(self, workspace: Path) -> Computed:
        """Train the classifier, or find it trained, and compare."""
        return comparison.compared(self, workspace)


@parameters
class ShortCircuitCost(Experiment):
    """Every detector of :class:`ShortCircuit` on the same batch, in turns; times differ by run.

    The network has fresh weights: its time does not depend on what it has learned.
    """

    name: ClassVar[str] = "short_circuit_cost"
    notebook: ClassVar[str] = "gradient_short_circuit"
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {"short_circuit": 1, "short_circuit_cost": 1}

    id_dataset: DatasetName = Field(
        default="cifar10", description="The set whose network and images are taken."
    )
    fraction: Fraction = 0.05
    profile: ProfileName = "classroom"

    def configuration(self) -> dict[str, Any]:
        return {**self.parameters(), "sizes": asdict(find_classifier_sizes(self.profile))}

    def splits(self) -> list[tuple[str, str]]:
        return [(self.id_dataset, "test")]

    def label(self) -> str:
        return f"{file_name(self.id_dataset)}-{self.profile}"

    def compute(self, workspace: Path) -> Computed:
        """Measure; nothing is kept in ``workspace``."""
        return comparison.timed(self)


@parameters
class ShortCircuitShares(Experiment):
    """The classifier of :class:`ShortCircuit`, cut a little at every place.

    How much may be cut is chosen by accuracy on images that are not judged.
    """

    name: ClassVar[str] = "short_circuit_shares"
    notebook: ClassVar[str] = "gradient_short_circuit"
    versions: ClassVar[dict[str, int]] = {
        "classifiers": 1,
        "datasets": 1,
        "short_circuit": 1,
        "short_circuit_shares": 1,
    }

    id_dataset: LabelledSet = "cifar10"
    profile: ProfileName = "classroom"
    seed: ClassifierSeed = 0

    @property
    def classifier(self) -> ShortCircuit:
        """The experiment whose classifier this is, with its usual OOD sets."""
        return ShortCircuit(self.id_dataset, profile=self.profile, seed=self.seed)

    def configuration(self) -> dict[str, Any]:
        trained = inputs.classifier_config(self.classifier).as_dict()
        return {
            **self.parameters(),
            "ood_datasets": list(self.classifier.ood_datasets),
            "places": list(PLACES[self.classifier.network]),
            "shares": list(shares.SHARES),
            "sizes": asdict(self.classifier.sizes),
            "training": trained,
        }

    def splits(self) -> list[tuple[str, str]]:
        return self.classifier.splits()

    def label(self) -> str:
        return self.classifier.label()

    def compute(self, workspace: Path) -> Computed:
        """Train the classifier, or find it trained, and cut."""
        trained = inputs.trained_classifier(self.classifier, workspace)
        oods, images = self.classifier.ood_datasets, self.classifier.sizes.images
        sets = inputs.sets_to_score(self.id_dataset, oods, images, self.seed)
        labels = inputs.labels_of_scored(self.id_dataset, sets)
        places = PLACES[self.classifier.network]
        table = shares.share_table(trained.model, sets, self.id_dataset, labels, places)
        return Computed({"shares": table})


def network_name(id_dataset: str) -> str:
    """Which network a set gets: a residual one for small colour images, else a plain one."""
    return "resnet" if eg.DATASETS[id_dataset].shape == (3, 32, 32) else "cnn"
