"""One source, two versions: what is in them, and how far they run."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from click.testing import CliRunner
from myst_nb.core.read import read_myst_markdown_notebook

from earlyglow_book.classroom.checking import WrongAnswerError
from earlyglow_book.classroom.pages import Cell, exercise_numbers, page_files, read_cells
from earlyglow_book.classroom.student import for_instructors, for_students, write_notebooks
from earlyglow_book.cli import main
from earlyglow_book.registry import chapter_names

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
    for word in ("Solution", "What to hear", ":::", "](../"):
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


@pytest.mark.parametrize("name", SOURCES)
def test_pages_run_up_to_each_blank_and_with_its_solution_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A student comes to each blank; its check, if it has one, fails there, and passes solved."""
    monkeypatch.chdir(tmp_path)
    solved: dict[str, object] = {}
    blank: dict[str, object] = {}
    check = ""
    for cell in read_cells(SOURCES[name].read_text()):
        if cell.kind == "markdown":
            continue
        if "blank" in cell.tags:
            blank = dict(solved)
            exec(cell.source, blank)  # noqa: S102
        elif "check" in cell.tags:
            check = cell.source
            with pytest.raises(WrongAnswerError):
                exec(check, blank)  # noqa: S102
        else:
            exec(cell.source, solved)  # noqa: S102
            if "solution" in cell.tags:
                exec(check, solved)  # noqa: S102
                check = ""
    plt.close("all")


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


@pytest.mark.parametrize("name", SOURCES)
def test_instructors_can_read_the_whole_solution(name: str, written: Path) -> None:
    """Every line of it, links aside: the words, not the title alone."""
    notebook = nbformat.read(written / "instructor" / f"{name}.ipynb", 4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for cell in read_cells(SOURCES[name].read_text()):
        if cell.kind == "markdown" and "solution" in cell.tags:
            lines = [line for line in cell.source.split("\n") if line and line[0] != ":"]
            assert len(lines) >= 2
            assert [line for line in lines if "](" not in line and line not in text] == []


def test_a_solution_follows_its_own_exercise(written: Path) -> None:
    """In the book's pages by label, in the instructors' notebooks by number."""
    for name, path in SOURCES.items():
        labels = re.findall(r"^:::\{exercise\}\n:label: (\S+)$", path.read_text(), re.M)
        asked = re.findall(
            r"^:::\{(?:exercise\}\n:label:|solution\}) (\S+)$", path.read_text(), re.M
        )
        assert [label for label, _ in itertools.groupby(asked)] == labels
        notebook = nbformat.read(written / "instructor" / f"{name}.ipynb", 4)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        found = re.findall(r"^\*\*(?:Exercise|Solution to exercise) (\d+)\.\*\*", text, re.M)
        assert len(found) == len(asked)
        assert [int(number) for number, _ in itertools.groupby(found)] == [
            exercise_numbers()[label] for label in labels
        ]


def test_at_most_a_third_of_the_exercises_change_a_parameter() -> None:
    kinds = [
        kind
        for path in SOURCES.values()
        for kind in re.findall(r"^## .+ \(([^()]+)\)\n\n:::\{exercise\}", path.read_text(), re.M)
    ]
    assert len(kinds) == len(exercise_numbers()) >= 60
    assert kinds.count("change a parameter") <= len(kinds) / 3


def test_every_chapter_has_exercises() -> None:
    """The first five at least four; the parts of Gradient Short-Circuit share its page."""
    counts = {path.stem: path.read_text().count(":::{exercise}") for path in SOURCES.values()}
    for name in {*chapter_names(), "glow", "score"} - {"short_circuit_parts"}:
        assert counts[name] >= 2, name
    for name in ("quickstart", "idea", "glow", "score", "epoch_sweep"):
        assert counts[name] >= 4, name
