"""Gradient Short-Circuit and the baselines on one classifier: all tables of the chapter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from pytorch_ood.detector import ODIN
from scipy import stats
from torch import Tensor, nn

import earlyglow as eg
from earlyglow.gradients.model_state import evaluating
from earlyglow_book.chapters.cost.measuring import Contender, interleaved_times
from earlyglow_book.chapters.gradient_short_circuit import (
    FORWARD,
    GSC,
    GSC_EXACT,
    PLACES,
    PLAIN,
    ablations,
    baselines,
    inputs,
    network_name,
)
from earlyglow_book.chapters.gradient_short_circuit.inputs import BySet
from earlyglow_book.flow_runs.profiles import find_classifier_sizes
from earlyglow_book.machine import processor_name
from earlyglow_book.results import Computed, Tables
from earlyglow_book.tables import changes
from earlyglow_book.tables.aurocs import auroc_table
from earlyglow_book.tables.stored import compact

if TYPE_CHECKING:
    from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit, ShortCircuitCost

_KEPT_SCORES = ("Energy", GSC, GSC_EXACT)
_CONSISTENCY_NOISE = (0.01, 0.03, 0.1)
_TIMED_IMAGES = 60
_TIMED_ROUNDS = 15
_EXACT = {GSC: False, GSC_EXACT: True}


def compared(chapter: ShortCircuit, workspace: Path) -> Computed:
    """Train the classifier, or find it trained, and compare."""
    sizes, own = chapter.sizes, chapter.id_dataset
    # All images first: a set that is missing must not be noticed after the training.
    sets = inputs.sets_to_score(own, chapter.ood_datasets, sizes.images, chapter.seed)
    inputs.require_classes(own, sizes)
    trained = inputs.trained_classifier(chapter, workspace)
    model, labels = trained.model, inputs.labels_of_scored(own, sets)
    few = {name: x[: sizes.ablation_images] for name, x in sets.items()}
    settings = ablations.variants(PLACES[chapter.network], chapter.split_at)
    quality = _quality(own, model)
    tables = {
        **_comparison(chapter, model, sets, labels),
        **ablations.ablation_tables(
            model, few, own, labels[: len(few[own])], settings, chapter.seed
        ),
        "classifier": quality,
        "consistency": _consistency(chapter, model, sets),
        "training": pd.DataFrame(trained.log),
    }
    tables = {name: compact(table) for name, table in tables.items()}
    return Computed(tables, {"classifier": quality.iloc[0].to_dict()})


def timed(chapter: ShortCircuitCost) -> Computed:
    """Every detector on the same batch, in turns, beside a plain forward pass."""
    own, sizes = chapter.id_dataset, find_classifier_sizes(chapter.profile)
    model = inputs.untrained_classifier(inputs.training_images(own, sizes), sizes, 0).eval()
    x = inputs.sets_to_score(own, (), _TIMED_IMAGES, 0)[own]
    cut = baselines.penultimate(model, inputs.fitting_images(own, sizes))
    detectors = baselines.on_images(model, cut)
    for at in PLACES[network_name(own)]:
        parts = eg.split(model, at)
        for name, exact in _EXACT.items():
            detector = eg.GradientShortCircuit(*parts, chapter.fraction, exact=exact)
            detectors[f"{name} at {at}"] = detector
    contenders = [Contender(FORWARD, len(x), torch.no_grad()(lambda: model(x)))]
    contenders += [
        Contender(name, len(x), partial(baselines.predicted, each, x))
        for name, each in detectors.items()
    ]
    with evaluating(model), warnings.catch_warnings():
        # The place after pooling is measured too, where the head is affine.
        warnings.simplefilter("ignore", eg.short_circuit.AffineHeadWarning)
        times = interleaved_times(contenders, _TIMED_ROUNDS)
    return Computed({"times": times}, device=processor_name())


def _comparison(chapter: ShortCircuit, model: nn.Module, sets: BySet, labels: Tensor) -> Tables:
    """Scores of everybody, and what changes where GSC takes the place of the plain energy."""
    own = chapter.id_dataset
    cut = baselines.penultimate(model, inputs.fitting_images(own, chapter.sizes))
    features = {name: eg.classifiers.predicted_logits(cut.body, x) for name, x in sets.items()}
    scores = {
        name: baselines.scores_by_set(detector, model, features)
        for name, detector in baselines.on_features(cut).items()
    }
    scores["ODIN"] = baselines.scores_by_set(ODIN(model), model, sets)
    classes = {PLAIN: eg.classifiers.predicted_logits(model, sets[own]).argmax(1)}
    for name, detector in baselines.new_classes(cut).items():
        classes[name] = baselines.scores_of(detector, model, features[own])
    parts = eg.split(model, chapter.split_at)
    for name, exact in _EXACT.items():
        gsc = eg.GradientShortCircuit(
            *parts, chapter.fraction, chapter.intervention, chapter.score, exact=exact
        )
        scores[name] = baselines.scores_by_set(gsc, model, sets)
        classes[name] = ablations.logits_after(gsc.explain, sets[own]).argmax(1)
    tables = {name: ablations.score_table(by_set, name) for name, by_set in scores.items()}
    aurocs = pd.concat([auroc_table(table, own) for table in tables.values()], ignore_index=True)
    kept = pd.concat([table for name, table in tables.items() if name in _KEPT_SCORES])
    return {
        "accuracy": accuracy_table({name: found == labels for name, found in classes.items()}),
        "aurocs": aurocs.drop(columns=["epoch", "group_size", "objective"]),
        "changes": _changes(chapter, scores),
        "means": _means(chapter, scores),
        "scores": kept[["dataset", "detector", "score"]].astype({"score": "float32"}),
    }


def _changes(chapter: ShortCircuit, scores: Mapping[str, BySet]) -> pd.DataFrame:
    """Paired differences of AUROC between GSC and every other score, by OOD set."""
    own, after = chapter.id_dataset, scores[GSC]
    rows = []
    for (other, before), ood in product(scores.items(), chapter.ood_datasets):
        if other != GSC:
            change = changes.auroc_change(before[own], before[ood], after[own], after[ood])
            rows.append((other, ood, *change))
    return pd.DataFrame(rows, columns=["against", "ood", "change", "low", "high"])


def _means(chapter: ShortCircuit, scores: Mapping[str, BySet]) -> pd.DataFrame:
    """Mean AUROC of everybody over the OOD sets, and what GSC's is above it."""
    sets = chapter.id_dataset, chapter.ood_datasets
    rows = []
    for name, by_set in scores.items():
        change = changes.mean_auroc_change(by_set, scores[GSC], *sets)
        rows.append((name, *changes.mean_auroc(by_set, *sets), *change))
    columns = ["detector", "auroc", "low", "high", "gsc_less", "gsc_less_low", "gsc_less_high"]
    return pd.DataFrame(rows, columns=columns)


def _quality(id_dataset: str, model: nn.Module) -> pd.DataFrame:
    test = eg.load_images(id_dataset, "test")
    logits = eg.classifiers.predicted_logits(model, eg.datasets.centre(test.images)).cpu()
    facts = {
        "images": len(test),
        "accuracy": ablations.accuracy(logits, test.labels),
        "calibration_error": eg.classifiers.calibration_error(logits, test.labels),
        "cross_entropy": nn.functional.cross_entropy(logits, test.labels).item(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    return pd.DataFrame([facts])


def _consistency(chapter: ShortCircuit, model: nn.Module, sets: BySet) -> pd.DataFrame:
    """Mean gradient consistency of each set, with a t interval over images."""
    parts = eg.split(model, chapter.split_at)
    rows = []
    for name, x in sets.items():
        some = x[: chapter.sizes.consistency_images]
        kinds = {"own": None, "kept": eg.classifiers.predicted_logits(model, some).argmax(1)}
        for noise, (kind, classes) in product(_CONSISTENCY_NOISE, kinds.items()):
            cosines = eg.gradient_consistency(
                *parts, some, noise, classes=classes, seed=chapter.seed
            )
            quantile = stats.t.ppf(0.975, len(cosines) - 1)
            rows.append((name, noise, kind, *_mean(cosines, quantile), len(cosines)))
    columns = ["dataset", "noise", "classes", "mean", "low", "high", "images"]
    return pd.DataFrame(rows, columns=columns)


def accuracy_table(right: Mapping[str, Tensor]) -> pd.DataFrame:
    """Share of images that are right, and its change against no intervention, image by image.

    Args:
        right: by detector, bool (N,) for the same images; "no intervention" among them.
    """
    rows = []
    for name, hits in right.items():
        change = _mean(hits.double() - right[PLAIN].double(), stats.norm.ppf(0.975))
        rows.append((name, len(hits), hits.double().mean().item(), *change))
    columns = ["detector", "images", "accuracy", "change", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _mean(values: Tensor, quantile: float) -> tuple[float, float, float]:
    """The mean with an interval of so many standard errors to either side."""
    mean = values.mean().item()
    reach = quantile * values.std().item() / len(values) ** 0.5
    return mean, mean - reach, mean + reach
