"""The published results of all classifiers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from earlyglow.datasets.catalogue import DATASETS
from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit
from earlyglow_book.chapters.gradient_short_circuit.claims import claims_about_scores
from earlyglow_book.image_sets import USUAL_OOD_OF_CLASSIFIERS
from earlyglow_book.results import Tables, read_published_tables
from earlyglow_book.tables.texts import as_text

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
            usual = _usual(config, parameters)
            if parameters == usual.parameters():
                found.setdefault(usual, {})[name] = table
    order = list(USUAL_OOD_OF_CLASSIFIERS)
    return dict(sorted(found.items(), key=lambda i: (order.index(i[0].id_dataset), i[0].seed)))


def classifier_title(config: ShortCircuit) -> str:
    """Which classifier it is, for a reader."""
    return f"{DATASETS[config.id_dataset].title}, seed {config.seed}"


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
        classifier_title(c): mean_by_choice(c, tables["ablation"])
        for c, tables in classifiers.items()
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
        columns[classifier_title(config)] = {
            claim.text: f"{claim.judgement}: {claim.number}" for claim in claims
        }
    return pd.DataFrame(columns)


def changes_by_classifier(classifiers: Mapping[ShortCircuit, Tables], against: str) -> str:
    """Mean AUROC of GSC minus that of another detector, of each classifier, as one text."""
    texts = []
    for config, tables in classifiers.items():
        row = tables["means"].set_index("detector").loc[against]
        change = as_text(row["gsc_less"], row["gsc_less_low"], row["gsc_less_high"])
        texts.append(f"{change} ({classifier_title(config)})")
    return ", ".join(texts)


def _usual(config: ShortCircuit, parameters: dict[str, object]) -> ShortCircuit:
    """``config`` for the ID set and the seed of some parameters."""
    return replace(
        config,
        id_dataset=str(parameters["id_dataset"]),
        ood_datasets=(),
        split_at="",
        seed=int(str(parameters["seed"])),
    )
