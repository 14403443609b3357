"""Results: keys, atomic and concurrent writes, refusals, and the source digest."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earlyglow_book import results
from earlyglow_book.parameters import declared
from earlyglow_book.registry import chapter_class, experiment_classes
from earlyglow_book.results import Computed, Inputs, Result, StoreError

INPUTS = Inputs(
    "some_experiment", {"size": 3}, {"digits/test": "abc"}, seed=0, versions={"flows": 1}
)


CODE = {"version": "0.1.0", "commit": "c0ffee", "tree": "clean"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path))
    return tmp_path


def save(inputs: Inputs = INPUTS, value: float = 1.0) -> Result:
    tables = {"scores": pd.DataFrame({"score": [value, 2.0], "name": ["a", "b"]})}
    return results.save(inputs, Computed(tables), "label", {"size": 3}, "command", 1.5, CODE)


def test_what_is_saved_is_found() -> None:
    saved = save()
    found = results.find(INPUTS)
    assert found is not None
    pd.testing.assert_frame_equal(found.tables["scores"], saved.tables["scores"])
    assert found.inputs == INPUTS
    assert found.manifest["command"] == "command"
    assert "earlyglow 0.1.0, commit c0ffee (clean)" in found.provenance()
    assert "not computed again since" in found.provenance()


def test_another_results_broken_manifest_is_in_nobodys_way(folder: Path) -> None:
    saved = save()
    other = saved.folder.with_name("a-broken-one")
    other.mkdir()
    (other / "manifest.json").write_text("{")
    assert results.find(INPUTS) is not None
    assert results.find(dataclasses.replace(INPUTS, seed=1)) is None
    (saved.folder / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="not a readable manifest"):
        results.find(INPUTS)


def test_numbers_of_numpy_are_the_same_inputs() -> None:
    """A loop over ``np.arange`` gives seeds that JSON does not know."""
    save(dataclasses.replace(INPUTS, seed=np.int64(5), configuration={"size": np.int64(3)}))
    found = results.find(dataclasses.replace(INPUTS, seed=5))
    assert found is not None
    assert found.inputs.seed == 5


def test_numbers_are_stored_as_they_are() -> None:
    values = [0.1, -1e30, float("nan"), float("inf"), 5e-324]
    table = pd.DataFrame({"a": values, "b": pd.Series(values).astype("float32"), "n": range(5)})
    table["name"] = pd.Categorical(["x", "y", "x", "x", "y"])
    found = results.save(INPUTS, Computed({"numbers": table}), "label", {}, "command", 1.0, CODE)
    pd.testing.assert_frame_equal(found.tables["numbers"], table, check_exact=True)


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": "other"},
        {"configuration": {"size": 4}},
        {"data": {"digits/test": "abd"}},
        {"seed": 1},
        {"versions": {"flows": 2}},
    ],
)
def test_another_meaning_is_another_key(change: dict) -> None:
    save()
    other = dataclasses.replace(INPUTS, **change)
    assert other.key() != INPUTS.key()
    assert results.find(other) is None


def test_the_key_does_not_depend_on_the_order_of_settings() -> None:
    one = dataclasses.replace(INPUTS, configuration={"a": 1, "b": [1, 2]})
    two = dataclasses.replace(INPUTS, configuration={"b": [1, 2], "a": 1})
    assert one.key() == two.key()


def test_images_that_are_not_at_hand_are_taken_on_trust() -> None:
    save()
    assert results.find(dataclasses.replace(INPUTS, data={"digits/test": None})) is not None
    assert results.find(dataclasses.replace(INPUTS, data={"other/test": None})) is None


def test_a_damaged_table_is_refused_by_name(folder: Path) -> None:
    result = save()
    path = result.folder / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"scores\.parquet is missing or does not match"):
        results.find(INPUTS)
    path.unlink()
    with pytest.raises(StoreError, match=r"scores\.parquet is missing"):
        results.find(INPUTS)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("format", "another", "is foreign: its format is 'another'"),
        ("key", "0" * 64, "its key disagrees"),
        ("inputs", {"seed": 3}, "not a readable manifest"),
    ],
)
def test_a_foreign_manifest_is_refused_by_name(field: str, value: object, match: str) -> None:
    path = save().folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(StoreError, match=match):
        results.find(INPUTS)
    path.write_text("{")
    with pytest.raises(StoreError, match=r"manifest\.json is not a readable manifest"):
        results.find(INPUTS)


def _save_many(folder: str, value: float) -> None:
    import os

    os.environ["EARLYGLOW_RESULTS"] = folder
    for seed in range(20):
        save(dataclasses.replace(INPUTS, seed=seed), value)


def test_two_processes_that_store_the_same_keys(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_save_many, args=(str(folder), value)) for value in (1.0, 2.0)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    loaded = [results.load(f) for f in results.result_folders() if f.is_relative_to(folder)]
    assert len(loaded) == 20
    assert not list(folder.glob("*/.unfinished*"))


def test_an_unfinished_write_is_not_seen(folder: Path) -> None:
    result = save()
    unfinished = result.folder.parent / ".unfinished-x"
    shutil.copytree(result.folder, unfinished)
    (unfinished / "scores.parquet").unlink()
    assert results.find(INPUTS) is not None


def test_the_working_folder_may_be_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_RESULTS", "~/results")
    assert results.working_folder() == Path.home() / "results"


def test_a_confirmation_is_noted_and_shown() -> None:
    result = save()
    results.record_confirmation(result, {"date": "2026-01-02", "commit": "beef"})
    noted = results.load(result.folder)
    assert noted.manifest["confirmed"]["commit"] == "beef"
    assert "computed again and equal on 2026-01-02" in noted.provenance()
    assert noted.key == result.key


def test_a_result_of_an_installed_package_has_its_version_only() -> None:
    tables = {"scores": pd.DataFrame({"score": [1.0]})}
    saved = results.save(INPUTS, Computed(tables), "l", {}, "c", 1.0, {"version": "0.1.0"})
    assert "earlyglow 0.1.0; " in saved.provenance()


def test_published_results_are_whole() -> None:
    """Every committed result can be read, and its command and its parameters find it again."""
    folders = [f for f in results.result_folders() if f.is_relative_to(results.committed_folder())]
    assert len(folders) >= 125
    for result in map(results.load, folders):
        program, verb, notebook, *options = shlex.split(result.manifest["command"])
        kind = experiment_classes()[result.inputs.experiment]
        if kind.shown_by:
            assert (program, verb) == ("earlyglow", "verify")
            assert result.name.startswith(notebook)
            continue
        assert (program, verb, options.pop(0)) == ("earlyglow", "run", "--recompute")
        assert options[::3] == ["-p"] * (len(options) // 3)
        given = dict(zip(options[1::3], options[2::3], strict=True))
        assert set(given) <= set(declared(chapter_class(notebook)))
        assert all(len(table) for table in result.tables.values())
        assert set(result.manifest["code"]) == {"version", "commit", "tree"}
