"""Recomputing stored results, and comparing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.experiment import result_of
from earlyglow_book.results import Result, StoreError
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
