"""Notebooks for students and for their teacher, from one source.

A student's notebook has the blanks and the checks, and no solution; the instructor's has each
solution in the place of its blank, so that it runs to its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from earlyglow_book.classroom.pages import Cell, exercise_numbers, page_files, read_cells

_EXERCISE = re.compile(r"^:::\{exercise\}\n:label: (\S+)\n(.*?)^:::$", re.M | re.S)
_SOLUTION = re.compile(r"^:::\{solution\} (\S+)\n:class:[^\n]*\n(.*?)^:::$", re.M | re.S)
_ADMONITION = re.compile(r"^:::\{admonition\} ([^\n]+)\n:class:[^\n]*\n(.*?)^:::$", re.M | re.S)
_LINK_TO_A_PAGE = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)")
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def for_students(cells: list[Cell]) -> list[Cell]:
    """The cells without solutions."""
    return [cell for cell in cells if "solution" not in cell.tags]


def for_instructors(cells: list[Cell]) -> list[Cell]:
    """The cells with each blank's solution in its place, before the check."""
    kept: list[Cell] = []
    for place, cell in enumerate(cells):
        if "blank" in cell.tags:
            kept.append(_solution_after(cells, place))
        elif cell.kind == "markdown" or "solution" not in cell.tags:
            kept.append(cell)
    return kept


def _solution_after(cells: list[Cell], place: int) -> Cell:
    for cell in cells[place + 1 :]:
        if cell.kind == "code" and "solution" in cell.tags:
            return cell
        if "blank" in cell.tags:
            break
    raise ValueError(
        f"the blank that begins {cells[place].source[:40]!r} has no code cell tagged solution "
        "after it; write one."
    )


def write_notebooks(folder: Path) -> list[Path]:
    """Write ``student/`` and ``instructor/`` into ``folder``; return what was written."""
    versions: dict[str, Callable[[list[Cell]], list[Cell]]] = {
        "student": for_students,
        "instructor": for_instructors,
    }
    written = []
    for source in page_files():
        cells = read_cells(source.read_text(encoding="utf-8"))
        for version, chosen in versions.items():
            path = folder / version / source.parent.name / f"{source.stem}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook(chosen(cells)), path)
            written.append(path)
    return written


def notebook(cells: list[Cell]) -> nbformat.NotebookNode:
    """A notebook that plain Jupyter shows well: it knows no directives and none of our pages."""
    numbers, made = exercise_numbers(), []
    for number, cell in enumerate(cells):
        facts = {"id": f"cell-{number}", "metadata": {"tags": list(cell.tags)} if cell.tags else {}}
        if cell.kind == "code":
            made.append(new_code_cell(cell.source, **facts))
        else:
            made.append(new_markdown_cell(_plain(cell.source, numbers), **facts))
    return new_notebook(cells=made, metadata={"kernelspec": _KERNEL})


def _plain(markdown: str, numbers: Mapping[str, int]) -> str:
    def exercise(found: re.Match[str]) -> str:
        return f"**Exercise {numbers[found[1]]}.** {found[2].strip()}"

    def solution(found: re.Match[str]) -> str:
        return f"**Solution to exercise {numbers[found[1]]}.** {found[2].strip()}"

    text = _SOLUTION.sub(solution, _EXERCISE.sub(exercise, markdown))
    text = _ADMONITION.sub(lambda found: f"**{found[1]}.** {found[2].strip()}", text)
    return _LINK_TO_A_PAGE.sub(r"\1", text)
