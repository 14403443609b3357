"""Which share of the features may be cut without losing accuracy, and what that cut is worth.

``table`` is of :func:`share_table`, of one classifier.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor, nn

import earlyglow as eg
from earlyglow_book.chapters.gradient_short_circuit import ShortCircuitShares
from earlyglow_book.chapters.gradient_short_circuit.ablations import (
    Variant,
    accuracy,
    cut_logits,
    energies,
)
from earlyglow_book.chapters.gradient_short_circuit.claims import ACCURACY_MARGIN
from earlyglow_book.chapters.gradient_short_circuit.inputs import BySet
from earlyglow_book.results import read_published_tables
from earlyglow_book.tables.changes import mean_auroc_change
from earlyglow_book.tables.claims import Claim, Judgement, Verdict, positive
from earlyglow_book.tables.texts import Texts, as_text
from earlyglow_book.titles import title_of

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


def share_table(
    model: nn.Module, sets: BySet, id_dataset: str, id_labels: Tensor, places: tuple[str, ...]
) -> pd.DataFrame:
    """Accuracy on one half of the ID images, and on the other half what the energy gains.

    Args:
        model: the classifier.
        sets: images (N, C, H, W) by name.
        id_dataset: the in-distribution set.
        id_labels: int64 (N,), of its images.
        places: where the classifier is cut.

    Returns:
        Columns at, fraction, lost_choosing, lost_judged (of the accuracy), auroc, plain (means over
        the OOD sets), change, low, high (paired DeLong).
    """
    oods = [name for name in sets if name != id_dataset]
    choosing, judged = torch.arange(len(id_labels)).tensor_split(2)
    plain = {name: eg.classifiers.predicted_logits(model, x) for name, x in sets.items()}
    before = _judged_energies(plain, id_dataset, judged)
    rows = []
    variants = [Variant(at, share) for at in places for share in SHARES]
    for variant, logits in cut_logits(model, sets, variants):
        after = _judged_energies(logits, id_dataset, judged)
        change, low, high = mean_auroc_change(before, after, id_dataset, oods)
        lost = [
            accuracy(plain[id_dataset][half], id_labels[half])
            - accuracy(logits[id_dataset][half], id_labels[half])
            for half in (choosing, judged)
        ]
        means = [
            sum(eg.auroc(scores[id_dataset], scores[ood]) for ood in oods) / len(oods)
            for scores in (after, before)
        ]
        rows.append((variant.at, variant.fraction, *lost, *means, change, low, high))
    names = ["at", "fraction", "lost_choosing", "lost_judged"]
    return pd.DataFrame(rows, columns=[*names, "auroc", "plain", "change", "low", "high"])


def _judged_energies(logits: BySet, id_dataset: str, judged: Tensor) -> dict[str, Tensor]:
    chosen = {name: part[judged] if name == id_dataset else part for name, part in logits.items()}
    return energies(chosen)


def chosen_shares(table: pd.DataFrame) -> pd.DataFrame:
    """For each place the largest share that costs at most .01 of the accuracy, if there is one."""
    allowed = table[table["lost_choosing"] <= ACCURACY_MARGIN]
    return allowed.sort_values("fraction").groupby("at", sort=False).tail(1)


def claim_at_chosen_share(table: pd.DataFrame, at: str) -> Claim:
    """Whether cutting as much as accuracy allows makes the energy better, at one place."""
    chosen = chosen_shares(table)
    row = chosen[chosen["at"] == at]
    smallest = table["fraction"].min()
    if row.empty:
        number = f"no share from {smallest:g} on keeps the accuracy within {ACCURACY_MARGIN:g}"
        judgement = Judgement(Verdict.UNTESTED, ": no share keeps the accuracy")
    else:
        change = tuple(row[["change", "low", "high"]].iloc[0])
        lost = row["lost_judged"].item()
        number = f"share {row['fraction'].item():g}: {as_text(*change)}; accuracy lost {lost:.3f}"
        judgement = positive(change)
    return Claim(
        "chosen_share",
        "It is better than without an intervention, cutting no more than accuracy allows",
        "abstract; the authors' share and layer are not known",
        f"the largest share after {at} that costs at most {ACCURACY_MARGIN:g} of the accuracy on "
        "one half of the ID images; change of the mean AUROC on the other half",
        number,
        judgement,
    )


def read_published_shares() -> dict[ShortCircuitShares, pd.DataFrame]:
    """The published tables of the classroom's classifiers."""
    found = {
        ShortCircuitShares(**parameters): table
        for parameters, table in read_published_tables(ShortCircuitShares.name, "shares")
    }
    return {experiment: t for experiment, t in found.items() if experiment.profile == "classroom"}


def words(published: dict[ShortCircuitShares, pd.DataFrame]) -> Texts:
    """What the allowed cut is worth at each classifier's usual place, in one sentence."""
    numbers = []
    for experiment, table in published.items():
        where = experiment.classifier.split_at
        claim = claim_at_chosen_share(table, where)
        name = f"{title_of(experiment.id_dataset)}, seed {experiment.seed}"
        numbers.append(f"{claim.number} ({name}, after {where}: {claim.judgement.verdict})")
    return {"allowed_cuts": "; ".join(numbers)}
