"""Recompute a stored result, and compare."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlyglow_book.deferred import np, pd
from earlyglow_book.experiment import Experiment
from earlyglow_book.machine import code_state, processor_name
from earlyglow_book.parameters import ParameterError
from earlyglow_book.registry import experiment_classes
from earlyglow_book.results import (
    Computed,
    Result,
    StoreError,
    Tables,
    load,
    record_confirmation,
    result_folders,
)

if TYPE_CHECKING:
    import pandas

# What makes the flow of a sweep and of a study the same.
_FLOW_PARAMETERS = ("id_dataset", "model", "profile", "seed")


def reproducible_results() -> tuple[list[Result], list[StoreError]]:
    """Every stored result that should come out the same again, and the errors of damaged ones.

    Those that were never confirmed come first, then those confirmed longest ago; of equals, the
    cheapest.
    """
    kinds = experiment_classes()
    results, damaged = [], []
    for folder in result_folders():
        try:
            result = load(folder)
        except StoreError as error:
            damaged.append(error)
            continue
        kind = kinds.get(result.inputs.experiment)
        if kind is None or kind.reproducible:
            results.append(result)
    # A stable order: first by price, then by date.
    return sorted(cheapest_first(results), key=lambda result: result.confirmed_on), damaged


def cheapest_first(results: Iterable[Result]) -> list[Result]:
    """Results by the time that computing them from nothing took.

    A study begins with the epoch sweep of its flow, whose time its own manifest does not count.
    """
    results = list(results)
    sweeps = [result for result in results if _is_sweep(result)]
    seconds_of_sweeps = {_flow_of(sweep): sweep.manifest["seconds"] for sweep in sweeps}

    def seconds(result: Result) -> float:
        begun = 0.0 if _is_sweep(result) else seconds_of_sweeps.get(_flow_of(result), 0.0)
        return result.manifest["seconds"] + begun

    return sorted(results, key=seconds)


def recomputed(result: Result, workspace: Path) -> Computed:
    """Compute a stored result again, with as many threads as then, or ``EARLYGLOW_THREADS``.

    Args:
        result: what is stored.
        workspace: an empty folder to begin from nothing, or the cache, whose trained flows and
            norms are then taken as they are.

    Raises:
        StoreError: the images at hand are not those of the result, or its experiment has other
            parameters now.
        DatasetError: images are missing.
    """
    experiment = stored_experiment(result)
    if experiment.inputs().key() != result.key:
        raise StoreError(
            f"{result.folder.name} cannot be recomputed here: its images are not at hand or its "
            "steps have another version now."
        )
    with _threads_of(result.manifest):
        return experiment.compute(workspace)


def stored_experiment(result: Result) -> Experiment:
    """The experiment with the parameters of a stored result.

    Raises:
        StoreError: there is no such experiment any more, or it has other parameters now.
    """
    kinds, name = experiment_classes(), result.inputs.experiment
    if name not in kinds:
        raise StoreError(f"{result.folder.name} is of {name!r}, an experiment that is no more.")
    try:
        return kinds[name](**result.manifest["parameters"])
    except ParameterError as error:
        raise StoreError(f"{result.folder.name} has other parameters than now: {error}") from error


def confirm(result: Result, tolerance: float) -> None:
    """Note in a result's manifest that it was computed again today and came out the same."""
    today, device = date.today().isoformat(), processor_name()
    facts = {"date": today, "device": device, "tolerance": tolerance}
    record_confirmation(result, {**code_state(), **facts})


def differences(result: Result, tables: Tables, tolerance: float = 1e-3) -> pandas.DataFrame:
    """Compare a result with tables that were computed again: one row per table and column.

    Args:
        result: what is stored.
        tables: what came out now.
        tolerance: the largest relative difference that agrees. Another processor or number of
            threads rounds otherwise.

    Returns:
        Columns table, column, rows, largest_relative_difference, agrees.
    """
    stored, fresh, absent = _columns(result.tables), _columns(tables), pd.Series(dtype=float)
    rows = []
    for place in stored | fresh:
        column = stored.get(place, absent)
        largest = _largest_difference(column, fresh.get(place, absent))
        rows.append((*place, len(column), largest, largest <= tolerance))
    names = ["table", "column", "rows", "largest_relative_difference", "agrees"]
    return pd.DataFrame(rows, columns=names)


def _is_sweep(result: Result) -> bool:
    return result.inputs.experiment == "epoch_sweep"


def _flow_of(result: Result) -> tuple[Any, ...]:
    return tuple(result.manifest["parameters"].get(name) for name in _FLOW_PARAMETERS)


def _columns(tables: Tables) -> dict[tuple[str, str], pandas.Series]:
    """Every column by the names of its table and its own."""
    return {(name, column): table[column] for name, table in tables.items() for column in table}


@contextmanager
def _threads_of(manifest: dict[str, Any]) -> Iterator[None]:
    """As many threads as the result was computed with, which decides how sums are rounded.

    Where the environment asks for a number, that number.
    """
    # Imported late, for it imports torch.
    from earlyglow.threads import threads

    if os.environ.get("EARLYGLOW_THREADS"):
        yield
        return
    count = manifest["threads"]
    # Before small work took one thread there was one number, for all work.
    alike = manifest.get("threads_of_small_work", count) == count
    if alike:
        os.environ["EARLYGLOW_THREADS"] = str(count)
    try:
        with threads(count):
            yield
    finally:
        if alike:
            del os.environ["EARLYGLOW_THREADS"]


def _largest_difference(stored: pandas.Series, fresh: pandas.Series) -> float:
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


def _mean_difference_of_pixels(stored: pandas.Series, fresh: pandas.Series) -> float:
    """Samples are rounded to grey levels, so that a last digit may move a level by one."""
    ours, theirs = (np.frombuffer(b"".join(part), np.uint8) for part in (stored, fresh))
    if ours.size != theirs.size:
        return np.inf
    return float(np.abs(ours.astype(int) - theirs).mean() / 255) if ours.size else 0.0
