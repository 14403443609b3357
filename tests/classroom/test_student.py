"""One source, two versions: what is in them, and how far they run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from myst_nb.core.read import read_myst_markdown_notebook

from earlyglow_book.classroom.checking import WrongAnswerError
from earlyglow_book.classroom.pages import Cell, page_files, read_cells
from earlyglow_book.classroom.student import for_instructors, for_students, write_notebooks
from earlyglow_book.cli import main

SOURCES = {f"{path.parent.name}/{path.stem}": path for path in page_files()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    write_notebooks(folder)
    return folder


@pytest.mark.parametrize("name", SOURCES)
def test_the_book_and_the_class_read_the_same_cells(name: str) -> None:
    text = SOURCES[name].read_text()
    theirs = read_myst_markdown_notebook(text).cells
    assert read_cells(text) == [
        Cell(cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ()))) for cell in theirs
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_students_get_blanks_and_checks_and_no_solution(name: str, written: Path) -> None:
    cells = read_cells(SOURCES[name].read_text())
    text = (written / "student" / f"{name}.ipynb").read_text()
    notebook = nbformat.reads(text, 4)
    nbformat.validate(notebook)
    sources = {cell.source for cell in notebook.cells}
    for cell in cells:
        if "solution" in cell.tags and cell.kind == "code":
            assert cell.source not in sources
        if {"blank", "check"} & set(cell.tags):
            assert cell.source in sources
    prose = "".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    for word in ("Solution", "What to see", "{admonition}", "](../"):
        assert word not in prose


@pytest.mark.parametrize("name", SOURCES)
def test_instructors_get_each_solution_in_place_of_its_blank(name: str, written: Path) -> None:
    notebook = nbformat.read(written / "instructor" / f"{name}.ipynb", 4)
    cells = read_cells(SOURCES[name].read_text())
    tags = [set(cell.metadata.get("tags", ())) for cell in notebook.cells]
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert sum("blank" in t for t in tags) == 0
    solved = [c.source for c in code if "solution" in c.metadata.get("tags", ())]
    assert len(solved) == sum("blank" in cell.tags for cell in cells)
    assert len(code) == sum(c.kind == "code" for c in for_students(cells))


@pytest.mark.parametrize("name", [n for n in SOURCES if n.startswith("exercises/")])
def test_all_solutions_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The instructor's cells from the first to the last, in one name space."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for cell in for_instructors(read_cells(SOURCES[name].read_text())):
        if cell.kind == "code":
            exec(cell.source, space)  # noqa: S102


@pytest.mark.parametrize("name", SOURCES)
def test_students_notebooks_run_to_the_first_blank(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything up to the first blank runs; its check then says that nothing is written."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    is_after_a_blank = False
    for cell in for_students(read_cells(SOURCES[name].read_text())):
        if cell.kind != "code":
            continue
        if "check" in cell.tags:
            with pytest.raises(WrongAnswerError):
                exec(cell.source, space)  # noqa: S102
            break
        if is_after_a_blank:
            break
        exec(cell.source, space)  # noqa: S102
        is_after_a_blank = "blank" in cell.tags


def test_a_blank_without_a_solution_is_refused() -> None:
    cells = [Cell("code", "x = ...", ("blank",)), Cell("code", "y = ...", ("blank",))]
    with pytest.raises(ValueError, match=r"the blank that begins 'x = \.\.\.' has no code cell"):
        for_instructors(cells)


def test_the_command_writes_both(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(main, ["student", str(tmp_path / "class")])
    assert outcome.exit_code == 0, outcome.output
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.ipynb")}
    assert len(written) == 2 * len(SOURCES)
    assert "class/student/exercises/glow.ipynb" in written
