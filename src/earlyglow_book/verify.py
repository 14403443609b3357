"""Recompute a stored result, and compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.registry import EXPERIMENTS
from earlyglow.experiments.running import Experiment
from earlyglow.store import Computed, Result, StoreError, Tables

# What makes a flow of a sweep and of a study the same.
FLOW_PARAMETERS = ("id_dataset", "model", "profile", "seed")


def cheapest_first(results: Iterable[Result]) -> list[Result]:
    """Results by the time that computing them from nothing took.

    A study begins with the epoch sweep of its flow, whose time its own manifest does not count.
    """
    results = list(results)
    of_sweep = {
        _flow_of(result): result.manifest["seconds"]
        for result in results
        if result.inputs.experiment == EpochSweep.name
    }

    def seconds(result: Result) -> float:
        own = result.manifest["seconds"]
        is_sweep = result.inputs.experiment == EpochSweep.name
        return own if is_sweep else own + of_sweep.get(_flow_of(result), 0.0)

    return sorted(results, key=seconds)


def recomputed(result: Result, workspace: Path) -> Computed:
    """Compute a stored result again, with as many threads as then.

    Args:
        result: what is stored.
        workspace: an empty folder to begin from nothing, or the cache, whose trained flows and
            norms are then taken as they are.

    Raises:
        StoreError: the images at hand are not those of the result, or its experiment has other
            parameters now.
        DatasetError: images are missing.
    """
    experiment = _experiment_of(result)
    if experiment.inputs().key() != result.key:
        raise StoreError(
            f"{result.folder.name} cannot be recomputed here: its images are not at hand or its "
            "steps have another version now."
        )
    with _threads(result.manifest["threads"]):
        return experiment.compute(workspace)


def differences(result: Result, tables: Tables, tolerance: float = 1e-3) -> pd.DataFrame:
    """Compare a result with tables that were computed again: one row per table and column.

    Args:
        result: what is stored.
        tables: what came out now.
        tolerance: the largest relative difference that agrees. Another processor or number of
            threads rounds otherwise.

    Returns:
        Columns table, column, rows, largest_relative_difference, agrees.
    """
    columns = {
        (name, column): None for of in (result.tables, tables) for name in of for column in of[name]
    }
    rows = []
    for name, column in columns:
        stored, fresh = (_column(of, name, column) for of in (result.tables, tables))
        largest = _largest_difference(stored, fresh)
        rows.append((name, column, len(stored), largest, largest <= tolerance))
    names = ["table", "column", "rows", "largest_relative_difference", "agrees"]
    return pd.DataFrame(rows, columns=names)


def present_path(result: Result) -> tuple[str, ...]:
    """Parts of the package that a result of this kind depends on now."""
    return EXPERIMENTS[result.inputs.experiment].source_path


def is_reproducible(result: Result) -> bool:
    """Whether computing a result again should give the same tables; a timing does not."""
    kind = EXPERIMENTS.get(result.inputs.experiment)
    return kind is None or kind.reproducible


def _experiment_of(result: Result) -> Experiment:
    name = result.inputs.experiment
    if name not in EXPERIMENTS:
        raise StoreError(f"{result.folder.name} is of {name!r}, an experiment that is no more.")
    kind = EXPERIMENTS[name]
    try:
        return kind(**_as_fields(kind, result.manifest["parameters"]))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{result.folder.name} has other parameters than now: {error}") from error


def _column(tables: Tables, name: str, column: str) -> pd.Series:
    """A column, empty where there is none."""
    table = tables.get(name, pd.DataFrame())
    return table[column] if column in table else pd.Series(dtype=float)


def _flow_of(result: Result) -> tuple[object, ...]:
    return tuple(result.manifest["parameters"].get(name) for name in FLOW_PARAMETERS)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """As many threads as the result was computed with, which decides how sums are rounded."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _largest_difference(stored: pd.Series, fresh: pd.Series) -> float:
    if len(stored) != len(fresh):
        return np.inf
    if len(stored) and isinstance(stored.iloc[0], bytes):
        return _mean_difference_of_pixels(stored, fresh)
    if not pd.api.types.is_float_dtype(stored):
        return 0.0 if stored.tolist() == fresh.tolist() else np.inf
    differ = (stored != fresh) & ~(stored.isna() & fresh.isna())
    # One infinite value must not make every difference small.
    scale = np.maximum(np.abs(stored), np.abs(stored[np.isfinite(stored)]).mean())
    # A NaN on one side only must not pass as equal.
    relative = (np.abs(stored - fresh) / scale).fillna(np.inf)
    return float(relative[differ].max()) if differ.any() else 0.0


def _mean_difference_of_pixels(stored: pd.Series, fresh: pd.Series) -> float:
    """Samples are rounded to grey levels, so that a last digit may move a level by one."""
    ours, theirs = (np.frombuffer(b"".join(part), np.uint8) for part in (stored, fresh))
    if ours.size != theirs.size:
        return np.inf
    return float(np.abs(ours.astype(int) - theirs).mean() / 255) if ours.size else 0.0


def _as_fields(kind: type[Experiment], parameters: dict[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parameters.items()
        if name in known
    }
