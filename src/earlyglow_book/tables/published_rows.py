"""One table of all published results of an experiment, one under the other."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

from earlyglow_book.results import StoreError, published_state, read_published_tables
from earlyglow_book.tables.aurocs import select
from earlyglow_book.tables.columns import FLOW


def read_published_rows(experiment: str, table: str, profile: str = "classroom") -> pd.DataFrame:
    """One table of every published result of an experiment at a profile.

    Columns id_dataset, model and seed stand in front, as far as it has them; it is empty where
    nothing is published.

    Raises:
        StoreError: two published results have the same ID set, model and seed.
    """
    return _rows(experiment, table, profile, published_state(experiment)).copy(deep=False)


def read_gradient_rows(
    group_size: int = 1, objective: str = "log_prob", profile: str = "classroom"
) -> pd.DataFrame:
    """Published AUROCs of the gradient score at every epoch, all pairs, models and seeds."""
    rows = read_published_rows("epoch_sweep", "aurocs", profile)
    return select(rows, "layer_gradients", objective, group_size)


def read_baseline_rows(detector: str) -> pd.DataFrame:
    """Published AUROCs of single images by likelihood or typicality, which need no gradient."""
    return select(read_published_rows("epoch_sweep", "aurocs"), detector)


@functools.lru_cache(maxsize=32)
def _rows(
    experiment: str, table: str, profile: str, _state: tuple[tuple[Path, int], ...]
) -> pd.DataFrame:
    """A page asks for the same rows a dozen times; every file is read once in each state."""
    parts, seen = [], set()
    for parameters, found in read_published_tables(experiment, table):
        if parameters["profile"] != profile:
            continue
        facts = {name: parameters[name] for name in FLOW if name in parameters}
        if tuple(facts.values()) in seen:
            raise StoreError(
                f"two results of {experiment} are published for {facts}; remove one of them."
            )
        seen.add(tuple(facts.values()))
        parts.append(found.assign(**facts))
    if not parts:
        return pd.DataFrame(columns=FLOW)
    rows = pd.concat(parts, ignore_index=True)
    order = sorted(rows, key=lambda column: FLOW.index(column) if column in FLOW else len(FLOW))
    names = rows.select_dtypes("category").columns
    return rows[order].astype(dict.fromkeys(names, "object"))
