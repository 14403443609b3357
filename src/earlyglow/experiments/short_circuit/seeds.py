"""The published results that differ from each other in the seed alone."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments.short_circuit.claims import short_circuit_claims
from earlyglow.experiments.short_circuit.experiment import PLAIN_SCORE, ShortCircuit
from earlyglow.store import Tables, published_tables

_TABLES = ("accuracy", "changes", "classifier", "consistency", "means")


def published_seeds(config: ShortCircuit) -> dict[int, Tables]:
    """Tables of every published result with the parameters of ``config``, by seed."""
    wanted = {**config.parameters(), "seed": None}
    found: dict[int, Tables] = {}
    for name in _TABLES:
        for parameters, table in published_tables(ShortCircuit.name, name):
            if {**parameters, "seed": None} == wanted:
                found.setdefault(parameters["seed"], {})[name] = table
    return dict(sorted(found.items()))


def detectors_by_seed(seeds: dict[int, Tables]) -> pd.DataFrame:
    """Mean AUROC over the OOD sets, one row for each detector and one column for each seed."""
    columns = {
        f"seed {seed}": tables["means"].set_index("detector")["auroc"]
        for seed, tables in seeds.items()
    }
    return pd.DataFrame(columns).sort_values(list(columns), ascending=False)


def claims_by_seed(
    seeds: dict[int, Tables], times: pd.DataFrame, config: ShortCircuit
) -> pd.DataFrame:
    """Number and verdict of each claim, one column for each seed."""
    columns = {}
    for seed, tables in seeds.items():
        plain = PLAIN_SCORE[config.score]
        claims = short_circuit_claims(tables, times, config.id_dataset, config.split_at, plain)
        index = [claim.text for claim in claims]
        cells = [f"{claim.verdict}: {claim.number}" for claim in claims]
        columns[f"seed {seed}"] = pd.Series(cells, index=index)
    return pd.DataFrame(columns)
