"""The published results of all classifiers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit
from earlyglow_book.chapters.gradient_short_circuit.claims import claims_about_scores, gsc_less
from earlyglow_book.image_sets import USUAL_OOD_OF_CLASSIFIERS
from earlyglow_book.results import Tables, read_published_tables
from earlyglow_book.tables.texts import as_text
from earlyglow_book.titles import title_of

_TABLES = ("ablation", "accuracy", "changes", "consistency", "means")
# The column of no intervention.
UNCUT = "none cut"
# The share of features that is cut where choices of them are compared.
_SHARE = 0.05


def read_published_classifiers(config: ShortCircuit) -> dict[ShortCircuit, Tables]:
    """Published results with the detector of ``config``, of any ID set and seed.

    Those with the usual OOD sets and the usual place are taken, in the order of the ID sets.
    """
    found: dict[ShortCircuit, Tables] = {}
    for name in _TABLES:
        for parameters, table in read_published_tables(ShortCircuit.name, name):
            varied = {key: parameters[key] for key in ("id_dataset", "seed")}
            usual = replace(config, **varied, ood_datasets=(), split_at="")
            if parameters == usual.parameters():
                found.setdefault(usual, {})[name] = table
    order = list(USUAL_OOD_OF_CLASSIFIERS)
    chosen = sorted(found, key=lambda each: (order.index(each.id_dataset), each.seed))
    return {classifier: found[classifier] for classifier in chosen}


def classifier_title(config: ShortCircuit) -> str:
    """Which classifier it is, for a reader."""
    return f"{title_of(config.id_dataset)}, seed {config.seed}"


def detectors_by_classifier(classifiers: Mapping[ShortCircuit, Tables]) -> pd.DataFrame:
    """Mean AUROC over the OOD sets: a row for each detector, a column for each classifier."""
    columns = {
        classifier_title(config): tables["means"].set_index("detector")["auroc"]
        for config, tables in classifiers.items()
    }
    return pd.DataFrame(columns).sort_values(list(columns), ascending=False)


def choices_by_classifier(classifiers: Mapping[ShortCircuit, Tables]) -> pd.DataFrame:
    """Mean AUROC with 5 % of the features at zero, exact pass, by how they were chosen.

    Returns:
        A row for each classifier, a column for each choice, and ``UNCUT``.
    """
    rows = {
        classifier_title(config): mean_by_choice(config, tables["ablation"])
        for config, tables in classifiers.items()
    }
    return pd.DataFrame(rows).T


def mean_by_choice(config: ShortCircuit, ablation: pd.DataFrame) -> pd.Series:
    """Mean AUROC by how the features were chosen, of one classifier, from its ablations."""
    here = ablation[(ablation["at"] == config.split_at) & (ablation["fraction"] == _SHARE)]
    zeroed = here[(here["intervention"] == "zero") & here["exact"]]
    chosen = zeroed.groupby("importance", observed=True, sort=False)["auroc"].mean()
    chosen.index = chosen.index.astype(str)
    uncut = ablation.loc[ablation["at"] == "nowhere", "auroc"].mean()
    return pd.concat((chosen, pd.Series({UNCUT: uncut})))


def claims_by_classifier(classifiers: Mapping[ShortCircuit, Tables]) -> pd.DataFrame:
    """Verdict and number of each claim about scores, one column for each classifier."""
    columns = {}
    for config, tables in classifiers.items():
        claims = claims_about_scores(tables, config.id_dataset, config.plain_score)
        cells = {claim.text: f"{claim.judgement}: {claim.number}" for claim in claims}
        columns[classifier_title(config)] = cells
    return pd.DataFrame(columns)


def changes_by_classifier(classifiers: Mapping[ShortCircuit, Tables], against: str) -> str:
    """Mean AUROC of GSC minus that of another detector, of each classifier, as one text."""
    return ", ".join(
        f"{as_text(*gsc_less(tables['means'], against))} ({classifier_title(config)})"
        for config, tables in classifiers.items()
    )
