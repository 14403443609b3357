"""Gradient Short-Circuit beside the detectors of the field, on one classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch
from earlyglow.experiments.compared_sets import require_comparable
from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.paired import auroc_change, change_columns
from earlyglow.experiments.running import result_of
from earlyglow.experiments.short_circuit import contenders
from earlyglow.experiments.short_circuit.ablations import (
    ablation_tables,
    score_table,
    variants,
)
from earlyglow.experiments.short_circuit.image_sets import (
    KNOWN,
    NOISE,
    USUAL_OOD,
    labels_of_scored,
    sets_to_score,
)
from earlyglow.experiments.short_circuit.mean_areas import mean_auroc, mean_auroc_change
from earlyglow.experiments.short_circuit.sizes import (
    Sizes,
    classifier_config,
    find_sizes,
    fitting_images,
    require_classes,
    trained_classifier,
)
from earlyglow.experiments.summaries import auroc_table
from earlyglow.experiments.sweep_tables import compact
from earlyglow.provenance import combined, source_digests
from earlyglow.settings import require_choice, require_whole
from earlyglow.store import Computed, Inputs, Tables
from scipy import stats
from torch import Tensor, nn

from earlyglow import short_circuit
from earlyglow.classifiers import calibration_error, predicted_logits
from earlyglow.datasets import DATASETS, ImageSet, centre, find_fingerprint, load_images

GSC, GSC_EXACT, PLAIN = "GSC", "GSC (exact)", "no intervention"
# What GSC is without an intervention.
PLAIN_SCORE = {"energy": "Energy", "msp": "MSP", "max_logit": "MaxLogit"}
PLACES = {"resnet": ("stage1", "stage2", "stage3.0", "pool"), "cnn": ("stage1", "stage2", "pool")}
_DEFAULT_PLACE = {"resnet": "stage3.0", "cnn": "stage2"}
_KEPT_SCORES = ("Energy", GSC, GSC_EXACT)
_CONSISTENCY_NOISE = (0.01, 0.03, 0.1)


@dataclass(frozen=True)
class ShortCircuit:
    """Parameters of the comparison, as its notebook declares them.

    Attributes:
        id_dataset: the labelled set that the classifier is trained on.
        ood_datasets: the sets to detect, "uniform_noise" and "gaussian_noise" among them; empty
            for the usual ones.
        split_at: module after which the classifier is cut; empty for the one before the last
            convolutions.
        fraction: share of the features that are cut, in (0, 1].
        intervention: "zero", "scale" or "clamp".
        score: "energy", "msp" or "max_logit".
        profile: "smoke" or "classroom".
        seed: of weights, batches and noise.
    """

    name: ClassVar[str] = "gradient_short_circuit"
    reproducible: ClassVar[bool] = True
    # Raised by hand when the meaning of a step changes.
    versions: ClassVar[dict[str, int]] = {
        "classifiers": 1,
        "datasets": 1,
        "gradient_short_circuit": 2,
        "short_circuit": 1,
    }
    source_path: ClassVar[tuple[str, ...]] = (
        "classifiers",
        "datasets",
        "experiments/paired.py",
        "experiments/short_circuit/ablations.py",
        "experiments/short_circuit/contenders",
        "experiments/short_circuit/experiment.py",
        "experiments/short_circuit/image_sets.py",
        "experiments/short_circuit/mean_areas.py",
        "experiments/short_circuit/sizes.py",
        "experiments/summaries.py",
        "experiments/sweep_tables.py",
        "gradients/model_state.py",
        "metrics.py",
        "short_circuit",
        "training/batches.py",
        "training/checkpoints.py",
        "training/config.py",
    )

    id_dataset: str = "cifar10"
    ood_datasets: tuple[str, ...] = ()
    split_at: str = ""
    fraction: float = 0.05
    intervention: str = "zero"
    score: str = "energy"
    profile: str = "classroom"
    seed: int = 0

    def __post_init__(self) -> None:
        require_comparable(self.id_dataset, self.ood_datasets, KNOWN)
        if not self.ood_datasets and self.id_dataset not in USUAL_OOD:
            raise ValueError(
                f"ood_datasets is empty, and {self.id_dataset!r} has no usual sets to be compared "
                "with; name at least one."
            )
        require_whole("seed", self.seed, 0)
        _ = self.sizes
        kind = self.network
        object.__setattr__(self, "ood_datasets", self.ood_datasets or USUAL_OOD[self.id_dataset])
        object.__setattr__(self, "split_at", self.split_at or _DEFAULT_PLACE[kind])
        require_choice("split_at", self.split_at, PLACES[kind])
        # Built here so that a bad setting is refused before anything runs.
        self._detector(nn.Identity(), nn.Identity())
        _ = self.sweep

    @property
    def sizes(self) -> Sizes:
        """The profile's sizes."""
        return find_sizes(self.profile)

    @property
    def network(self) -> str:
        """Which network the set gets: "resnet" or "cnn"."""
        return network_of(self.id_dataset)

    def parameters(self) -> dict[str, object]:
        """The parameters as the notebook takes them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def inputs(self) -> Inputs:
        """What the result depends on."""
        return self._inputs({split: find_fingerprint(*split) for split in self._splits()})

    def inputs_on_trust(self) -> Inputs:
        """The same where no image is looked at."""
        return self._inputs(dict.fromkeys(self._splits()))

    def _splits(self) -> list[tuple[str, str]]:
        own = [(self.id_dataset, "train"), (self.id_dataset, "test")]
        return own + [(name, "test") for name in self.ood_datasets if name not in NOISE]

    def _inputs(self, fingerprints: Mapping[tuple[str, str], str | None]) -> Inputs:
        configuration = {
            **self.parameters(),
            "sizes": asdict(self.sizes),
            "training": classifier_config(self.id_dataset, self.sizes, self.seed).as_dict(),
        }
        data = {f"{name}/{split}": found for (name, split), found in fingerprints.items()}
        return Inputs(self.name, configuration, data, self.seed, self.versions)

    def label(self) -> str:
        """A readable start for the result's folder."""
        return f"{self.id_dataset}-{self.profile}-seed{self.seed}"

    @property
    def sweep(self) -> EpochSweep:
        """The flow of the same ID set, whose gradients score the same images."""
        usual = self.ood_datasets == USUAL_OOD.get(self.id_dataset)
        named = () if usual else tuple(name for name in self.ood_datasets if name in DATASETS)
        return EpochSweep(self.id_dataset, named, profile=self.profile, seed=self.seed)

    def prepare(self) -> None:
        """Compute all that the notebook shows, where it is not stored yet."""
        # What a detector costs is measured with the names that this module defines.
        from earlyglow.experiments.short_circuit.cost import ShortCircuitCost

        result_of(self)
        result_of(self.sweep)
        result_of(ShortCircuitCost(self.id_dataset, self.fraction, self.profile))

    def compute(self, workspace: Path) -> Computed:
        """Train the classifier, or find it trained, and compare."""
        sizes = self.sizes
        # All images first: a set that is missing must not be noticed after the training.
        sets = sets_to_score(self.id_dataset, self.ood_datasets, sizes.images, self.seed)
        require_classes(self.id_dataset, sizes)
        trained = trained_classifier(self.id_dataset, sizes, self.seed, workspace)
        model, labels = trained.model, labels_of_scored(self.id_dataset, sets)
        few = {name: x[: sizes.ablation_images] for name, x in sets.items()}
        ablations = ablation_tables(
            model,
            few,
            self.id_dataset,
            labels[: sizes.ablation_images],
            variants(PLACES[self.network], self.split_at),
            self.seed,
        )
        quality = self._quality(model)
        tables = {
            **self._comparison(model, sets, labels),
            **ablations,
            "classifier": quality,
            "consistency": self._consistency(model, sets),
            "training": pd.DataFrame(trained.log),
        }
        source = combined(source_digests(self.source_path), trained.source)
        tables = {name: compact(table) for name, table in tables.items()}
        return Computed(tables, source, {"classifier": quality.iloc[0].to_dict()})

    def _comparison(self, model: nn.Module, sets: Mapping[str, Tensor], labels: Tensor) -> Tables:
        """Scores of everybody, and what changes where GSC takes the place of the plain energy."""
        cut = penultimate(model, fitting_images(self.id_dataset, self.sizes))
        features = {name: contenders.in_chunks(cut.body, x) for name, x in sets.items()}
        scores = {
            name: contenders.scores_by_set(detector, model, features)
            for name, detector in contenders.on_features(cut).items()
        }
        scores["ODIN"] = contenders.scores_by_set(
            contenders.on_images(model, cut)["ODIN"], model, sets
        )
        body, head = short_circuit.split(model, self.split_at)
        right = {PLAIN: predicted_logits(model, sets[self.id_dataset]).argmax(1) == labels}
        for name, detector in contenders.new_classes(cut).items():
            right[name] = contenders.scores_of(detector, model, features[self.id_dataset]) == labels
        for name, exact in ((GSC, False), (GSC_EXACT, True)):
            detector = self._detector(body, head, exact)
            scores[name] = contenders.scores_by_set(detector, model, sets)
            right[name] = _logits_after(detector, sets[self.id_dataset]).argmax(1) == labels
        tables = [score_table(by_set, name) for name, by_set in scores.items()]
        aurocs = pd.concat([auroc_table(t, self.id_dataset) for t in tables], ignore_index=True)
        kept = pd.concat([t for t in tables if t["detector"].iloc[0] in _KEPT_SCORES])
        return {
            "accuracy": accuracy_table(right),
            "aurocs": aurocs.drop(columns=["epoch", "group_size", "objective"]),
            "changes": self._changes(scores),
            "means": self._means(scores),
            "scores": kept[["dataset", "detector", "score"]].astype({"score": "float32"}),
        }

    def _changes(self, scores: Mapping[str, Mapping[str, Tensor]]) -> pd.DataFrame:
        """Paired differences of AUROC between GSC and every other score, by OOD set."""
        rows = []
        for other, by_set in scores.items():
            for ood in self.ood_datasets:
                if other != GSC:
                    change = auroc_change(
                        by_set[self.id_dataset],
                        by_set[ood],
                        scores[GSC][self.id_dataset],
                        scores[GSC][ood],
                    )
                    rows.append({"against": other, "ood": ood, **change_columns(change)})
        return pd.DataFrame(rows)

    def _means(self, scores: Mapping[str, Mapping[str, Tensor]]) -> pd.DataFrame:
        """Mean AUROC of everybody over the OOD sets, and what GSC's is above it."""
        rows = []
        for name, by_set in scores.items():
            mean = mean_auroc(by_set, self.id_dataset, self.ood_datasets)
            change = mean_auroc_change(by_set, scores[GSC], self.id_dataset, self.ood_datasets)
            rows.append(
                {
                    "detector": name,
                    "auroc": mean.value,
                    "low": mean.low,
                    "high": mean.high,
                    "gsc_less": change.value,
                    "gsc_less_low": change.low,
                    "gsc_less_high": change.high,
                }
            )
        return pd.DataFrame(rows)

    def _detector(
        self, body: nn.Module, head: nn.Module, exact: bool = False
    ) -> short_circuit.GradientShortCircuit:
        return short_circuit.GradientShortCircuit(
            body,
            head,
            self.fraction,
            self.intervention,  # type: ignore[arg-type]
            self.score,  # type: ignore[arg-type]
            exact=exact,
        )

    def _quality(self, model: nn.Module) -> pd.DataFrame:
        test = load_images(self.id_dataset, "test")
        logits = predicted_logits(model, centre(test.images)).cpu()
        return pd.DataFrame(
            {
                "images": [len(test)],
                "accuracy": [_accuracy(logits, test.labels)],
                "calibration_error": [calibration_error(logits, test.labels)],
                "cross_entropy": [nn.functional.cross_entropy(logits, test.labels).item()],
                "parameters": [sum(p.numel() for p in model.parameters())],
            }
        )

    def _consistency(self, model: nn.Module, sets: Mapping[str, Tensor]) -> pd.DataFrame:
        """Mean gradient consistency of each set, with a t interval over images."""
        body, head = short_circuit.split(model, self.split_at)
        rows = []
        for name, x in sets.items():
            some = x[: self.sizes.consistency_images]
            predicted = predicted_logits(model, some).argmax(1)
            for noise in _CONSISTENCY_NOISE:
                for kind, classes in (("own", None), ("kept", predicted)):
                    values = short_circuit.gradient_consistency(
                        body, head, some, noise, classes=classes, seed=self.seed
                    )
                    rows.append({"dataset": name, "noise": noise, "classes": kind, **_mean(values)})
        return pd.DataFrame(rows)


def network_of(id_dataset: str) -> str:
    """Which network a set gets: "resnet" or "cnn"."""
    return "resnet" if DATASETS[id_dataset].shape == (3, 32, 32) else "cnn"


def penultimate(model: nn.Module, training: ImageSet) -> contenders.Penultimate:
    """The classifier cut after pooling, with training images for detectors that need fitting."""
    body, head = short_circuit.split(model, "pool")
    features = contenders.in_chunks(body, centre(training.images))
    return contenders.Penultimate(body, head, model.classifier, features, training.labels)  # type: ignore[arg-type]


def accuracy_table(right: Mapping[str, Tensor]) -> pd.DataFrame:
    """Share of images that are right, and its change against no intervention, image by image.

    Args:
        right: by detector, bool (N,) for the same images; "no intervention" among them.
    """
    rows = []
    for name, hits in right.items():
        moved = hits.double() - right[PLAIN].double()
        reach = stats.norm.ppf(0.975) * moved.std().item() / len(moved) ** 0.5
        change = moved.mean().item()
        rows.append(
            {
                "detector": name,
                "images": len(hits),
                "accuracy": hits.double().mean().item(),
                "change": change,
                "low": change - reach,
                "high": change + reach,
            }
        )
    return pd.DataFrame(rows)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return (logits.argmax(1) == labels).double().mean().item()


def _logits_after(detector: short_circuit.GradientShortCircuit, x: Tensor) -> Tensor:
    return torch.cat([detector.explain(some).logits_after for some in x.split(250)])


def _mean(values: Tensor) -> dict[str, float]:
    count, mean = len(values), values.mean().item()
    reach = stats.t.ppf(0.975, count - 1) * values.std().item() / count**0.5
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "images": count}
