"""What matters in Gradient Short-Circuit: where, how much, in which way, and which features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor, nn

from earlyglow import short_circuit
from earlyglow.classifiers import predicted_logits
from earlyglow.progress import progress_bar
from earlyglow.short_circuit.importance import Importance, gradient_magnitude
from earlyglow_book.tables.aurocs import auroc_table
from earlyglow_book.tables.changes import change_columns, mean_auroc_change

FRACTIONS = (0.01, 0.05, 0.2, 0.5)
INTERVENTIONS = ("zero", "scale", "clamp")
_CHUNK = 250


def activation_magnitude(features: Tensor, gradient: Tensor) -> Tensor:
    """Features by their own size."""
    return features.abs()


class RandomImportance:
    """Features in random order, another one for each image that comes along."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, features: Tensor, gradient: Tensor) -> Tensor:
        return torch.rand(features.shape, generator=self._generator).to(features)


def gradient_times_activation(features: Tensor, gradient: Tensor) -> Tensor:
    """Features by what zeroing them takes from the logit, to first order."""
    return gradient * features


IMPORTANCES: dict[str, Importance] = {
    "gradient": gradient_magnitude,
    "activation": activation_magnitude,
    "gradient x activation": gradient_times_activation,
}
RANDOM = "random"
CHOICES = (*IMPORTANCES, RANDOM)


@dataclass(frozen=True)
class Variant:
    """One setting of the detector."""

    at: str
    fraction: float
    intervention: str = "zero"
    importance: str = "gradient"
    exact: bool = False

    def detector(
        self, body: nn.Module, head: nn.Module, seed: int
    ) -> short_circuit.GradientShortCircuit:
        """The detector with this setting on a network cut at ``at``; ``seed`` is of random cuts."""
        return short_circuit.GradientShortCircuit(
            body,
            head,
            self.fraction,
            self.intervention,  # type: ignore[arg-type]
            exact=self.exact,
            importance=IMPORTANCES.get(self.importance) or RandomImportance(seed),
        )


def variants(places: tuple[str, ...], at: str) -> tuple[Variant, ...]:
    """All that are compared: places × fractions × order, and the rest at one place."""
    grid = [
        Variant(place, fraction, exact=exact)
        for place in places
        for fraction in FRACTIONS
        for exact in (False, True)
    ]
    ways = [Variant(at, f, way) for way in INTERVENTIONS[1:] for f in FRACTIONS]
    choices = [
        Variant(at, f, importance=name, exact=True) for name in CHOICES[1:] for f in FRACTIONS
    ]
    return (*grid, *ways, *choices)


def ablation_tables(
    model: nn.Module,
    sets: Mapping[str, Tensor],
    id_dataset: str,
    id_labels: Tensor,
    compared: tuple[Variant, ...],
    seed: int,
) -> dict[str, pd.DataFrame]:
    """AUROC of every variant, ID accuracy after it, and how far the first order is off.

    The score is the energy throughout.

    Args:
        model: the classifier.
        sets: images (N, C, H, W) by name.
        id_dataset: the in-distribution set.
        id_labels: int64, of its images.
        compared: the variants.
        seed: of random cuts.

    Returns:
        "ablation" (one row per variant and OOD set), "after" (per variant: ID accuracy),
        "first_order" (per place, fraction and set: error of the first-order logits) and "order"
        (per place and fraction: mean AUROC of the first order less that of the second pass). The
        rows at "nowhere" are of the same images without an intervention.
    """
    oods = [name for name in sets if name != id_dataset]
    plain = {name: predicted_logits(model, x) for name, x in sets.items()}
    keys = _keys(Variant("nowhere", 0.0, "none", "none"))
    aurocs = [_aurocs(plain, id_dataset).assign(**keys)]
    accuracies = [{**keys, "accuracy": accuracy(plain[id_dataset], id_labels)}]
    errors, orders = [], []
    with progress_bar(len(compared), "ablations", "variant") as progress:
        for at in dict.fromkeys(variant.at for variant in compared):
            body, head = short_circuit.split(model, at)
            features = {name: predicted_logits(body, x) for name, x in sets.items()}
            logits: dict[Variant, dict[str, Tensor]] = {}
            for variant in (v for v in compared if v.at == at):
                detector = variant.detector(body, head, seed)
                logits[variant] = {
                    name: _logits_after(detector, part) for name, part in features.items()
                }
                keys = _keys(variant)
                aurocs.append(_aurocs(logits[variant], id_dataset).assign(**keys))
                share = accuracy(logits[variant][id_dataset], id_labels)
                accuracies.append({**keys, "accuracy": share})
                progress.update()
            for first, second in _orders(logits):
                errors += list(_errors(first, logits[first], logits[second]))
                orders.append(_order(first, logits[first], logits[second], id_dataset, oods))
    return {
        "ablation": pd.concat(aurocs, ignore_index=True),
        "after": pd.DataFrame(accuracies),
        "first_order": pd.DataFrame(errors),
        "order": pd.DataFrame(orders),
    }


def energy(logits: Tensor) -> Tensor:
    """The energy score (N,) of logits (N, C), higher = more OOD."""
    return -torch.logsumexp(logits, dim=1)


def score_table(scores: Mapping[str, Tensor], detector: str) -> pd.DataFrame:
    """Scores by set as rows for ``auroc_table``, in the precision in which they came."""
    parts = [
        pd.DataFrame({"score": values.double().numpy()}).assign(dataset=name)
        for name, values in scores.items()
    ]
    common = {"detector": detector, "objective": "", "group_size": 1, "epoch": 0.0}
    return pd.concat(parts, ignore_index=True).assign(**common)


def _aurocs(logits: Mapping[str, Tensor], id_dataset: str) -> pd.DataFrame:
    scores = {name: energy(part) for name, part in logits.items()}
    table = auroc_table(score_table(scores, "GSC"), id_dataset)
    return table[["ood", "n_id", "n_ood", "auroc", "low", "high"]]


def _logits_after(detector: short_circuit.GradientShortCircuit, features: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # The place after pooling is there to show what an affine head does.
        warnings.simplefilter("ignore", short_circuit.AffineHeadWarning)
        parts = [detector.explain_features(some).logits_after for some in features.split(_CHUNK)]
    return torch.cat(parts).cpu()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images whose largest logit (N, C) is that of their label (N,)."""
    return (logits.argmax(1) == labels).double().mean().item()


def _orders(logits: Mapping[Variant, object]) -> Iterator[tuple[Variant, Variant]]:
    """Each variant of first order with its exact one, where both were run."""
    for first in logits:
        second = replace(first, exact=True)
        if not first.exact and second in logits:
            yield first, second


def _errors(
    variant: Variant, first: Mapping[str, Tensor], exact: Mapping[str, Tensor]
) -> Iterator[dict[str, object]]:
    """Largest error of a first-order logit, median over images, beside the spread of the logits."""
    for name, logits in exact.items():
        error = (first[name] - logits).abs().max(1).values.median().item()
        spread = (logits - logits.mean(1, keepdim=True)).abs().max(1).values.median().item()
        yield {
            "at": variant.at,
            "fraction": variant.fraction,
            "dataset": name,
            "error": error,
            "relative_error": error / spread,
        }


def _order(
    variant: Variant,
    first: Mapping[str, Tensor],
    exact: Mapping[str, Tensor],
    id_dataset: str,
    oods: Sequence[str],
) -> dict[str, object]:
    """Mean AUROC of the first order minus that of the second pass."""
    scores = [{name: energy(part).numpy() for name, part in by.items()} for by in (exact, first)]
    change = mean_auroc_change(*scores, id_dataset, oods)  # type: ignore[arg-type, call-arg]
    return {"at": variant.at, "fraction": variant.fraction, **change_columns(change)}


def _keys(variant: Variant) -> dict[str, object]:
    return {
        "at": variant.at,
        "fraction": variant.fraction,
        "intervention": variant.intervention,
        "importance": variant.importance,
        "exact": variant.exact,
    }
