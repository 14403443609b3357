"""What is said while a notebook runs, and what is found out before it does."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from PIL import Image

from earlyglow.progress import progress_bar
from earlyglow_book import notebooks, watching
from earlyglow_book.chapters.quickstart import Quickstart
from earlyglow_book.cli import main
from earlyglow_book.run_page import filled


def written(path: Path, *statuses: str) -> Path:
    """A notebook of a heading and code cells, as papermill leaves it while it runs."""
    cells = [nbformat.v4.new_markdown_cell("# Title\n\n## 1. First")]
    for status in statuses:
        cell = nbformat.v4.new_code_cell("pass")
        cell.metadata["papermill"] = {"status": status}
        cells.append(cell)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_the_cell_that_runs_is_named_with_its_progress(tmp_path: Path) -> None:
    notebook, progress = tmp_path / "n.ipynb", tmp_path / "p.txt"
    assert watching.state(notebook, progress) == "the notebook's kernel starts"
    notebook.write_text('{"cells": [')
    assert watching.state(notebook, progress) == "the notebook's kernel starts"
    written(notebook, "completed", "running", "pending")
    assert watching.state(notebook, progress) == "cell 2 of 3: 1. First"
    progress.write_text("training: 40%")
    assert watching.state(notebook, progress) == "cell 2 of 3: 1. First; training: 40%"
    written(notebook, "completed", "completed")
    assert watching.state(notebook, progress) == "2 of 2 cells are done"


def test_a_bar_can_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "bar.txt"
    monkeypatch.setenv("EARLYGLOW_PROGRESS", f"file:{place}")
    with progress_bar(10, "training", "step") as bar:
        bar.update(4)
        bar.refresh()
        assert "training:  40%" in place.read_text()
    assert place.read_text() == ""


@pytest.mark.parametrize(("mode", "said"), [("lines", True), ("0", False), (None, False)])
def test_lines_are_said_only_where_they_are_asked_for(
    mode: str | None,
    said: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(watching, "_SECONDS", 0.02)
    if mode is None:
        monkeypatch.delenv("EARLYGLOW_PROGRESS", raising=False)
    else:
        monkeypatch.setenv("EARLYGLOW_PROGRESS", mode)
    notebook = written(tmp_path / "n.ipynb", "running")
    with watching.watched(notebook, tmp_path / "p.txt"):
        time.sleep(0.3)
    assert ("cell 1 of 1: 1. First\n" in capsys.readouterr().err) is said


def pictures(folder: Path, count: int, broken: bool = False) -> str:
    folder.mkdir()
    for i in range(count):
        Image.new("L", (8, 8), i).save(folder / f"{i}.png")
    if broken:
        (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return f"folder:{folder}?size=8&grey"


@pytest.mark.parametrize(
    ("count", "broken", "complaint"),
    [(20, False, "training images, but a training needs 64"), (200, True, "broken.jpg")],
)
def test_the_quickstart_looks_at_all_pictures_before_a_kernel_starts(
    count: int, broken: bool, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    # A busy machine would be spoken of.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebooks, "execute", lambda *_: pytest.fail("a kernel was started"))
    name = pictures(tmp_path / "mine", count, broken)
    words = ["run", "quickstart", "-p", f"id_dataset={name}"]
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 1
    assert complaint in outcome.output
    assert outcome.output.count("\n") == 1


def test_the_quickstart_s_ood_pictures_may_be_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    Quickstart("digits", pictures(tmp_path / "mine", 20)).prepare()


def test_stopped_cells_do_not_promise_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebooks, "execute", stopped)
    outcome = CliRunner().invoke(main, ["run", "quickstart"])
    assert outcome.exit_code == 130
    assert "they begin anew." in outcome.output
    assert "goes on where it was" not in outcome.output


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"seed: 1\nseed: 2\n", "gives a parameter twice"),
        (b"\xff\xfe", "is not readable YAML"),
        (b"seed: [1\n", "is not readable YAML"),
        (b"? [a]\n: 1\n", "is not readable YAML"),
        (b"", "must hold a mapping"),
    ],
)
def test_a_file_of_parameters_is_read_strictly(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "p.yml"
    file.write_bytes(content)
    outcome = CliRunner().invoke(main, ["run", "quickstart", "-f", str(file)])
    assert outcome.exit_code == 1
    assert complaint in outcome.output
    assert outcome.output.count("\n") == 1


@pytest.mark.parametrize("output", ["sheet.png", "file/below.csv", "/proc/none.csv"])
def test_places_of_scores_are_looked_at_first(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    outcome = CliRunner().invoke(main, ["score", "epoch_sweep/x", ".", "-o", output])
    assert outcome.exit_code == 1
    assert "a name with .png is its sheet's" in outcome.output or "written" in outcome.output
    assert not Path("sheet.png").exists()


def test_texts_of_other_notebooks_are_filled_from_the_book() -> None:
    assert "?" not in filled("{glue:text}`verdict.ipynb::overlap_grows_long:s`", {})
    assert filled("{glue:text}`nowhere.ipynb::late:s`", {"late": "0.9"}) == "?"
