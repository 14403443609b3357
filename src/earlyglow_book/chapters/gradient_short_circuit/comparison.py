"""Gradient Short-Circuit and the baselines on one classifier: all tables of the chapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from scipy import stats
from torch import Tensor, nn

from earlyglow import short_circuit
from earlyglow.classifiers import calibration_error, predicted_logits
from earlyglow.datasets.dequantization import centre
from earlyglow.datasets.loading import load_images
from earlyglow_book.chapters.gradient_short_circuit import baselines
from earlyglow_book.chapters.gradient_short_circuit.ablations import (
    ablation_tables,
    accuracy,
    score_table,
    variants,
)
from earlyglow_book.chapters.gradient_short_circuit.baselines import penultimate
from earlyglow_book.chapters.gradient_short_circuit.images import labels_of_scored, sets_to_score
from earlyglow_book.chapters.gradient_short_circuit.names import GSC, GSC_EXACT, PLACES, PLAIN
from earlyglow_book.chapters.gradient_short_circuit.training import (
    fitting_images,
    require_classes,
    trained_classifier,
)
from earlyglow_book.results import Computed, Tables
from earlyglow_book.tables.aurocs import auroc_table
from earlyglow_book.tables.changes import (
    auroc_change,
    change_columns,
    mean_auroc,
    mean_auroc_change,
)
from earlyglow_book.tables.stored import compact

if TYPE_CHECKING:
    from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit

_KEPT_SCORES = ("Energy", GSC, GSC_EXACT)
_CONSISTENCY_NOISE = (0.01, 0.03, 0.1)


def compared(chapter: ShortCircuit, workspace: Path) -> Computed:
    """Train the classifier, or find it trained, and compare."""
    sizes = chapter.sizes
    # All images first: a set that is missing must not be noticed after the training.
    sets = sets_to_score(chapter.id_dataset, chapter.ood_datasets, sizes.images, chapter.seed)
    require_classes(chapter.id_dataset, sizes)
    trained = trained_classifier(chapter, workspace)
    model, labels = trained.model, labels_of_scored(chapter.id_dataset, sets)
    few = {name: x[: sizes.ablation_images] for name, x in sets.items()}
    ablations = ablation_tables(
        model,
        few,
        chapter.id_dataset,
        labels[: sizes.ablation_images],
        variants(PLACES[chapter.network], chapter.split_at),
        chapter.seed,
    )
    quality = _quality(chapter, model)
    tables = {
        **_comparison(chapter, model, sets, labels),
        **ablations,
        "classifier": quality,
        "consistency": _consistency(chapter, model, sets),
        "training": pd.DataFrame(trained.log),
    }
    tables = {name: compact(table) for name, table in tables.items()}
    return Computed(tables, {"classifier": quality.iloc[0].to_dict()})


def _comparison(
    chapter: ShortCircuit, model: nn.Module, sets: Mapping[str, Tensor], labels: Tensor
) -> Tables:
    """Scores of everybody, and what changes where GSC takes the place of the plain energy."""
    cut = penultimate(model, fitting_images(chapter.id_dataset, chapter.sizes))
    features = {name: predicted_logits(cut.body, x) for name, x in sets.items()}
    scores = {
        name: baselines.scores_by_set(detector, model, features)
        for name, detector in baselines.on_features(cut).items()
    }
    scores["ODIN"] = baselines.scores_by_set(baselines.on_images(model, cut)["ODIN"], model, sets)
    body, head = short_circuit.split(model, chapter.split_at)
    right = {PLAIN: predicted_logits(model, sets[chapter.id_dataset]).argmax(1) == labels}
    for name, detector in baselines.new_classes(cut).items():
        right[name] = baselines.scores_of(detector, model, features[chapter.id_dataset]) == labels
    for name, exact in ((GSC, False), (GSC_EXACT, True)):
        detector = _detector(chapter, body, head, exact)
        scores[name] = baselines.scores_by_set(detector, model, sets)
        right[name] = _logits_after(detector, sets[chapter.id_dataset]).argmax(1) == labels
    tables = [score_table(by_set, name) for name, by_set in scores.items()]
    aurocs = pd.concat([auroc_table(t, chapter.id_dataset) for t in tables], ignore_index=True)
    kept = pd.concat([t for t in tables if t["detector"].iloc[0] in _KEPT_SCORES])
    return {
        "accuracy": accuracy_table(right),
        "aurocs": aurocs.drop(columns=["epoch", "group_size", "objective"]),
        "changes": _changes(chapter, scores),
        "means": _means(chapter, scores),
        "scores": kept[["dataset", "detector", "score"]].astype({"score": "float32"}),
    }


def _changes(chapter: ShortCircuit, scores: Mapping[str, Mapping[str, Tensor]]) -> pd.DataFrame:
    """Paired differences of AUROC between GSC and every other score, by OOD set."""
    rows = []
    for other, by_set in scores.items():
        for ood in chapter.ood_datasets:
            if other != GSC:
                change = auroc_change(
                    by_set[chapter.id_dataset],
                    by_set[ood],
                    scores[GSC][chapter.id_dataset],
                    scores[GSC][ood],
                )
                rows.append({"against": other, "ood": ood, **change_columns(change)})
    return pd.DataFrame(rows)


def _means(chapter: ShortCircuit, scores: Mapping[str, Mapping[str, Tensor]]) -> pd.DataFrame:
    """Mean AUROC of everybody over the OOD sets, and what GSC's is above it."""
    rows = []
    for name, by_set in scores.items():
        mean = mean_auroc(by_set, chapter.id_dataset, chapter.ood_datasets)
        change = mean_auroc_change(by_set, scores[GSC], chapter.id_dataset, chapter.ood_datasets)
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
    chapter: ShortCircuit, body: nn.Module, head: nn.Module, exact: bool = False
) -> short_circuit.GradientShortCircuit:
    return short_circuit.GradientShortCircuit(
        body,
        head,
        chapter.fraction,
        chapter.intervention,
        chapter.score,
        exact=exact,
    )


def _quality(chapter: ShortCircuit, model: nn.Module) -> pd.DataFrame:
    test = load_images(chapter.id_dataset, "test")
    logits = predicted_logits(model, centre(test.images)).cpu()
    return pd.DataFrame(
        {
            "images": [len(test)],
            "accuracy": [accuracy(logits, test.labels)],
            "calibration_error": [calibration_error(logits, test.labels)],
            "cross_entropy": [nn.functional.cross_entropy(logits, test.labels).item()],
            "parameters": [sum(p.numel() for p in model.parameters())],
        }
    )


def _consistency(
    chapter: ShortCircuit, model: nn.Module, sets: Mapping[str, Tensor]
) -> pd.DataFrame:
    """Mean gradient consistency of each set, with a t interval over images."""
    body, head = short_circuit.split(model, chapter.split_at)
    rows = []
    for name, x in sets.items():
        some = x[: chapter.sizes.consistency_images]
        predicted = predicted_logits(model, some).argmax(1)
        for noise in _CONSISTENCY_NOISE:
            for kind, classes in (("own", None), ("kept", predicted)):
                values = short_circuit.gradient_consistency(
                    body, head, some, noise, classes=classes, seed=chapter.seed
                )
                rows.append({"dataset": name, "noise": noise, "classes": kind, **_mean(values)})
    return pd.DataFrame(rows)


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


def _logits_after(detector: short_circuit.GradientShortCircuit, x: Tensor) -> Tensor:
    return torch.cat([detector.explain(some).logits_after for some in x.split(250)])


def _mean(values: Tensor) -> dict[str, float]:
    count, mean = len(values), values.mean().item()
    reach = stats.t.ppf(0.975, count - 1) * values.std().item() / count**0.5
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "images": count}
