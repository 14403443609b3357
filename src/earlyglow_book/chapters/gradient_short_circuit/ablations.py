"""What matters in Gradient Short-Circuit: where, how much, in which way, and which features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import pandas as pd
import torch
from torch import Tensor, nn

import earlyglow as eg
from earlyglow.progress import progress_bar
from earlyglow.short_circuit import AffineHeadWarning, Explanation, Importance, gradient_magnitude
from earlyglow_book.chapters.gradient_short_circuit.inputs import BySet
from earlyglow_book.tables.aurocs import auroc_table
from earlyglow_book.tables.changes import change_columns, mean_auroc_change

_FRACTIONS = (0.01, 0.05, 0.2, 0.5)
_CHUNK = 250
_KEPT = ["ood", "n_id", "n_ood", "auroc", "low", "high"]


class RandomImportance:
    """Features in random order, another one for each image that comes along."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, features: Tensor, gradient: Tensor) -> Tensor:
        return torch.rand(features.shape, generator=self._generator).to(features)


# Features by the size of their gradient, by their own size, or by what zeroing them takes from the
# logit, to first order. Any other name stands for a random order.
IMPORTANCES: dict[str, Importance] = {
    "gradient": gradient_magnitude,
    "activation": lambda features, gradient: features.abs(),
    "gradient x activation": lambda features, gradient: gradient * features,
}


@dataclass(frozen=True)
class Variant:
    """One setting of the detector."""

    at: str
    fraction: float
    intervention: str = "zero"
    importance: str = "gradient"
    exact: bool = False

    def detector(self, body: nn.Module, head: nn.Module, seed: int) -> eg.GradientShortCircuit:
        """The detector with this setting on a network cut at ``at``; ``seed`` is of random cuts."""
        return eg.GradientShortCircuit(
            body,
            head,
            self.fraction,
            self.intervention,  # type: ignore[arg-type]
            exact=self.exact,
            importance=IMPORTANCES.get(self.importance) or RandomImportance(seed),
        )


def variants(places: tuple[str, ...], at: str) -> tuple[Variant, ...]:
    """All that are compared: places × fractions × order, and the rest at one place."""
    grid = product(places, _FRACTIONS, (False, True))
    ways = product(("scale", "clamp"), _FRACTIONS)
    choices = product(("activation", "gradient x activation", "random"), _FRACTIONS)
    return (
        *(Variant(place, share, exact=exact) for place, share, exact in grid),
        *(Variant(at, share, way) for way, share in ways),
        *(Variant(at, share, importance=choice, exact=True) for choice, share in choices),
    )


def ablation_tables(
    model: nn.Module,
    sets: BySet,
    id_dataset: str,
    id_labels: Tensor,
    compared: tuple[Variant, ...],
    seed: int,
) -> dict[str, pd.DataFrame]:
    """AUROC of every variant's energy, ID accuracy after it, and how far the first order is off.

    Args:
        model: the classifier.
        sets: images (N, C, H, W) by name.
        id_dataset: the in-distribution set.
        id_labels: int64 (N,), of its images.
        compared: the variants.
        seed: of random cuts.

    Returns:
        "ablation" (one row per variant and OOD set), "after" (per variant: ID accuracy),
        "first_order" (per place, fraction and set: error of the first-order logits) and "order"
        (per place and fraction: mean AUROC of the first order less that of the second pass). The
        rows at "nowhere" are of the same images without an intervention.
    """
    after = {
        Variant("nowhere", 0.0, "none", "none"): {
            name: eg.classifiers.predicted_logits(model, x) for name, x in sets.items()
        }
    }
    with progress_bar(len(compared), "ablations", "variant") as progress:
        for variant, logits in cut_logits(model, sets, compared, seed):
            after[variant] = logits
            progress.update()
    oods = [name for name in sets if name != id_dataset]
    scored = {variant: energies(logits) for variant, logits in after.items()}
    aurocs, accuracies, errors, orders = [], [], [], []
    for variant, logits in after.items():
        settings = asdict(variant)
        table = auroc_table(score_table(scored[variant], "GSC"), id_dataset)
        aurocs.append(table[_KEPT].assign(**settings))
        accuracies.append({**settings, "accuracy": accuracy(logits[id_dataset], id_labels)})
        second = replace(variant, exact=True)
        if not variant.exact and second in after:
            where = {"at": variant.at, "fraction": variant.fraction}
            errors += [{**where, **error} for error in _errors(logits, after[second])]
            change = mean_auroc_change(scored[second], scored[variant], id_dataset, oods)
            orders.append({**where, **change_columns(change)})
    return {
        "ablation": pd.concat(aurocs, ignore_index=True),
        "after": pd.DataFrame(accuracies),
        "first_order": pd.DataFrame(errors),
        "order": pd.DataFrame(orders),
    }


def cut_logits(
    model: nn.Module, sets: BySet, compared: Sequence[Variant], seed: int = 0
) -> Iterator[tuple[Variant, dict[str, Tensor]]]:
    """Logits (N, C) of every set after each variant's intervention, place by place.

    The seed is of random cuts.
    """
    for at in dict.fromkeys(variant.at for variant in compared):
        body, head = eg.split(model, at)
        features = {name: eg.classifiers.predicted_logits(body, x) for name, x in sets.items()}
        for variant in (variant for variant in compared if variant.at == at):
            explain = variant.detector(body, head, seed).explain_features
            yield variant, {name: logits_after(explain, x) for name, x in features.items()}


def logits_after(explain: Callable[[Tensor], Explanation], x: Tensor) -> Tensor:
    """Logits (N, C) after the intervention, in chunks, by a detector's explanation of ``x``."""
    with warnings.catch_warnings():
        # The place after pooling is there to show what an affine head does.
        warnings.simplefilter("ignore", AffineHeadWarning)
        return torch.cat([explain(some).logits_after for some in x.split(_CHUNK)]).cpu()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images whose largest logit (N, C) is that of their label (N,)."""
    return (logits.argmax(1) == labels).double().mean().item()


def score_table(scores: BySet, detector: str) -> pd.DataFrame:
    """Scores by set as rows for ``auroc_table``, in the precision in which they came."""
    parts = [
        pd.DataFrame({"score": values.double().numpy(), "dataset": name})
        for name, values in scores.items()
    ]
    common = {"detector": detector, "objective": "", "group_size": 1, "epoch": 0.0}
    return pd.concat(parts, ignore_index=True).assign(**common)


def energies(logits: BySet) -> dict[str, Tensor]:
    """Energy scores (N,) by set, higher = more OOD."""
    return {name: -torch.logsumexp(part, dim=1) for name, part in logits.items()}


def _errors(first: BySet, second: BySet) -> Iterator[dict[str, object]]:
    """Largest error of a first-order logit, median over images, beside the spread of the logits."""
    for name, logits in second.items():
        error, spread = (
            difference.abs().max(1).values.median().item()
            for difference in (first[name] - logits, logits - logits.mean(1, keepdim=True))
        )
        yield {"dataset": name, "error": error, "relative_error": error / spread}
