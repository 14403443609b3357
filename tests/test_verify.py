"""Recomputing stored results, and comparing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from earlyglow.threads import threads_wanted
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.cli import main
from earlyglow_book.experiment import result_of
from earlyglow_book.results import Computed, Result, StoreError, save
from earlyglow_book.verify import cheapest_first, differences, recomputed


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.getbasetemp() / "verify"
    monkeypatch.setenv("EARLYGLOW_CACHE", str(home))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.delenv("EARLYGLOW_RESULTS", raising=False)


SWEEP = EpochSweep(id_dataset="digits", profile="smoke", seed=3, group_size=2)


@pytest.fixture
def result() -> Result:
    return result_of(SWEEP)


def test_recomputed_tables_agree(result: Result, tmp_path: Path) -> None:
    computed = recomputed(result, tmp_path)
    compared = differences(result, computed.tables)
    assert set(compared["table"]) == set(result.tables)
    assert compared["agrees"].all(), compared.to_string()


def test_a_changed_table_does_not_agree(result: Result) -> None:
    tables = {**result.tables, "epochs": result.tables["epochs"].assign(bits_per_dim=9.0)}
    compared = differences(result, tables).set_index("column")
    assert not compared.loc["bits_per_dim", "agrees"].all()


def test_a_new_column_does_not_agree(result: Result) -> None:
    tables = {**result.tables, "epochs": result.tables["epochs"].drop(columns="images")}
    compared = differences(result, tables).set_index("column")
    assert not compared.loc["images", "agrees"]


@pytest.mark.parametrize(
    ("stored", "fresh", "agrees"),
    [
        ([0.0, 0.0], [0.0, 0.0], True),
        ([0.0, 0.0], [0.0, 1e-9], False),
        ([np.nan, 1.0], [np.nan, 1.0], True),
        ([np.nan, 1.0], [2.0, 1.0], False),
        ([1.0, 1.0], [1.0, 1.0005], True),
        ([1.0, 1.0], [1.0, 1.01], False),
        ([np.inf, 1.0], [np.inf, 1.0], True),
        ([np.inf, 1.0], [np.inf, 2.0], False),
        ([], [], True),
    ],
)
def test_columns_are_compared_to_their_size(
    result: Result, stored: list[float], fresh: list[float], agrees: bool
) -> None:
    tables = ({"t": pd.DataFrame({"x": pd.Series(v, dtype=float)})} for v in (stored, fresh))
    compared = differences(Result(next(tables), {}, result.folder), next(tables))
    assert compared["agrees"].tolist() == [agrees]


def test_other_images_cannot_be_verified(result: Result, tmp_path: Path) -> None:
    manifest = {**result.manifest, "key": "0" * 64}
    with pytest.raises(StoreError, match="cannot be recomputed here"):
        recomputed(Result(result.tables, manifest, result.folder), tmp_path)


@pytest.fixture
def threads_seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Threads of small and of large work, at each computation of a sweep; torch has two before."""
    seen: list[tuple[int, int]] = []

    def compute(_: EpochSweep, workspace: Path) -> Computed:
        seen.append((threads_wanted(1), threads_wanted(10**9)))
        return Computed({})

    monkeypatch.setattr(EpochSweep, "compute", compute)
    monkeypatch.delenv("EARLYGLOW_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield seen
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("recorded", "environment", "expected"),
    [
        ({"threads": 3, "threads_of_small_work": 1}, "", (1, 3)),
        ({"threads": 3, "threads_of_small_work": 3}, "", (3, 3)),
        ({"threads": 3}, "", (3, 3)),
        ({"threads": 1}, "", (1, 1)),
        ({"threads": 3, "threads_of_small_work": 1}, "4", (4, 4)),
    ],
    ids=["by size", "asked for", "before small work took one", "one", "asked for now"],
)
def test_as_many_threads_as_then(
    result: Result,
    tmp_path: Path,
    threads_seen: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    recorded: dict[str, int],
    environment: str,
    expected: tuple[int, int],
) -> None:
    if environment:
        monkeypatch.setenv("EARLYGLOW_THREADS", environment)
    others = {k: v for k, v in result.manifest.items() if not k.startswith("threads")}
    recomputed(Result(result.tables, {**others, **recorded}, result.folder), tmp_path)
    assert threads_seen == [expected]
    assert os.environ.get("EARLYGLOW_THREADS", "") == environment


@pytest.mark.parametrize("asked", ["", "3"])
def test_the_manifest_has_the_threads_of_small_and_of_large_work(
    result: Result,
    tmp_path: Path,
    asked: str,
    threads_seen: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not the number that torch has, where another was asked for."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path))
    monkeypatch.setenv("EARLYGLOW_THREADS", asked)
    stored = save(result.inputs, Computed({}), "asked", {}, "", 0.0, {})
    found = [stored.manifest[name] for name in ("threads_of_small_work", "threads")]
    assert found == ([3, 3] if asked else [1, 2])


def test_verify_takes_the_threads_that_it_is_given(
    result: Result, threads_seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_THREADS", "")
    CliRunner().invoke(main, ["verify", result.name, "--threads", "5"])
    assert threads_seen == [(5, 5)]


def test_a_study_is_as_expensive_as_the_sweep_that_it_begins_with(result: Result) -> None:
    def variant(experiment: str, seconds: float, seed: int) -> Result:
        manifest = {
            **result.manifest,
            "inputs": {**result.manifest["inputs"], "experiment": experiment},
            "parameters": {**result.manifest["parameters"], "seed": seed},
            "seconds": seconds,
        }
        return Result({}, manifest, Path(f"{experiment} {seed}"))

    stored = [
        variant("support_overlap", 5.0, seed=1),
        variant("epoch_sweep", 600.0, seed=1),
        variant("cost", 100.0, seed=2),
        variant("support_overlap", 50.0, seed=2),
        variant("epoch_sweep", 30.0, seed=2),
    ]
    order = [one.folder.name for one in cheapest_first(stored)]
    assert order == [
        "epoch_sweep 2",
        "support_overlap 2",
        "cost 2",
        "epoch_sweep 1",
        "support_overlap 1",
    ]
