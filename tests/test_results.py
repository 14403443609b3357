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

from earlyglow import notebooks, store
from earlyglow.provenance import PACKAGE, combined, source_digest, source_digests
from earlyglow.store import Computed, Inputs, Result, StoreError

INPUTS = Inputs(
    "some_experiment", {"size": 3}, {"digits/test": "abc"}, seed=0, versions={"flows": 1}
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path))
    return tmp_path


def save(inputs: Inputs = INPUTS, value: float = 1.0) -> Result:
    tables = {"scores": pd.DataFrame({"score": [value, 2.0], "name": ["a", "b"]})}
    computed = Computed(tables, source_digests(["metrics.py"]))
    return store.save(inputs, computed, "label", {"size": 3}, "command", 1.5, ["metrics.py"])


def test_what_is_saved_is_found() -> None:
    saved = save()
    found = store.find(INPUTS)
    assert found is not None
    pd.testing.assert_frame_equal(found.tables["scores"], saved.tables["scores"])
    assert found.inputs == INPUTS
    assert found.manifest["command"] == "command"
    assert found.moved_sources() == []
    assert "source unchanged" in found.provenance()


def test_another_results_broken_manifest_is_in_nobodys_way(folder: Path) -> None:
    saved = save()
    other = saved.folder.with_name("a-broken-one")
    other.mkdir()
    (other / "manifest.json").write_text("{")
    assert store.find(INPUTS) is not None
    assert store.find(dataclasses.replace(INPUTS, seed=1)) is None
    (saved.folder / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="not a readable manifest"):
        store.find(INPUTS)


def test_numbers_of_numpy_are_the_same_inputs() -> None:
    """A loop over ``np.arange`` gives seeds that JSON does not know."""
    save(dataclasses.replace(INPUTS, seed=np.int64(5), configuration={"size": np.int64(3)}))
    found = store.find(dataclasses.replace(INPUTS, seed=5))
    assert found is not None
    assert found.inputs.seed == 5


def test_numbers_are_stored_as_they_are() -> None:
    values = [0.1, -1e30, float("nan"), float("inf"), 5e-324]
    table = pd.DataFrame({"a": values, "b": pd.Series(values).astype("float32"), "n": range(5)})
    table["name"] = pd.Categorical(["x", "y", "x", "x", "y"])
    computed = Computed({"numbers": table}, source_digests(["metrics.py"]))
    found = store.save(INPUTS, computed, "label", {}, "command", 1.0, ["metrics.py"])
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
    assert store.find(other) is None


def test_the_key_does_not_depend_on_the_order_of_settings() -> None:
    one = dataclasses.replace(INPUTS, configuration={"a": 1, "b": [1, 2]})
    two = dataclasses.replace(INPUTS, configuration={"b": [1, 2], "a": 1})
    assert one.key() == two.key()


def test_images_that_are_not_at_hand_are_taken_on_trust() -> None:
    save()
    assert store.find(dataclasses.replace(INPUTS, data={"digits/test": None})) is not None
    assert store.find(dataclasses.replace(INPUTS, data={"other/test": None})) is None


def test_a_damaged_table_is_refused_by_name(folder: Path) -> None:
    result = save()
    path = result.folder / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"scores\.parquet is missing or does not match"):
        store.find(INPUTS)
    path.unlink()
    with pytest.raises(StoreError, match=r"scores\.parquet is missing"):
        store.find(INPUTS)


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
        store.find(INPUTS)
    path.write_text("{")
    with pytest.raises(StoreError, match=r"manifest\.json is not a readable manifest"):
        store.find(INPUTS)


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
    results = [store.load(f) for f in store.result_folders() if f.is_relative_to(folder)]
    assert len(results) == 20
    assert not list(folder.glob("*/.unfinished*"))


def test_an_unfinished_write_is_not_seen(folder: Path) -> None:
    result = save()
    unfinished = result.folder.parent / ".unfinished-x"
    shutil.copytree(result.folder, unfinished)
    (unfinished / "scores.parquet").unlink()
    assert store.find(INPUTS) is not None


def test_the_working_folder_may_be_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_RESULTS", "~/results")
    assert store.working_folder() == Path.home() / "results"


def test_moved_source_is_marked_and_can_be_recorded() -> None:
    result = save()
    manifest = {**result.manifest, "source": {"metrics.py": "0" * 16}}
    (result.folder / "manifest.json").write_text(json.dumps(manifest))
    moved = store.load(result.folder)
    assert moved.moved_sources() == ["metrics.py"]
    assert "source changed since in 1 files" in moved.provenance()
    path = [*moved.manifest["path"], "overlap.py"]
    store.record_source(moved, source_digests(path), path)
    assert store.load(result.folder).moved_sources() == []


PLAIN = """
def f(x: int) -> int:
    return x + 1
"""
WORDS = '''
"""A module."""
def f(x: int) -> int:
    """Add one."""
    # because
    return (x
            + 1)
'''


def test_words_do_not_change_the_source_digest() -> None:
    assert source_digest(PLAIN) == source_digest(WORDS)
    assert source_digest(PLAIN) != source_digest(PLAIN.replace("+ 1", "+ 2"))
    assert source_digest("x = 1") != source_digest("x = '1'")


def test_source_digests_of_parts() -> None:
    flows = source_digests(["flows", "metrics.py"])
    assert set(flows) == {
        *(f"flows/{path.name}" for path in (PACKAGE / "flows").glob("*.py")),
        "metrics.py",
    }


def test_an_old_digest_is_never_lost() -> None:
    current = {"a.py": "new", "b.py": "new"}
    assert combined(current, {"a.py": "old"}, {"a.py": "new", "b.py": "new"}) == {
        "a.py": "old",
        "b.py": "new",
    }


def test_published_results_are_whole() -> None:
    """Every committed result can be read, and its command is one that runs."""
    folders = [f for f in store.result_folders() if f.is_relative_to(store.committed_folder())]
    assert folders
    for result in map(store.load, folders):
        program, verb, notebook, *options = shlex.split(result.manifest["command"])
        assert (program, verb) == ("earlyglow", "run")
        assert options[::3] == ["-p"] * (len(options) // 3)
        given = dict(zip(options[1::3], options[2::3], strict=True))
        declared = notebooks.declared_parameters(notebooks.find_notebook(notebook))
        assert set(given) <= set(declared)
        assert all(len(table) for table in result.tables.values())
