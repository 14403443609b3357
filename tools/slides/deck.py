"""A lesson as a deck: a notebook whose cells say where a slide begins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from earlyglow_book.classroom.pages import Cell
from earlyglow_book.classroom.student import for_students
from earlyglow_book.notebooks import find_notebook
from earlyglow_book.run_page import filled, glued_texts

_HEADING = re.compile(r"^#{1,2} (?:(\d+)\. )?(.+)$")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_TASK = re.compile(r"^\*\*[^*]+\*\*")
_CAPTION = re.compile(r"^\*([^*].*)\*$", re.S)


@dataclass(frozen=True)
class Figure:
    """A figure of a chapter: its title on the slide, the chapter, and the id of the cell."""

    title: str
    chapter: str
    cell: str


def deck(cells: list[Cell], figures: Mapping[int, list[Figure]]) -> nbformat.NotebookNode:
    """The slides of a lesson.

    Args:
        cells: the lesson's cells; solutions, and code that is run in the students' notebooks, stay
            out.
        figures: what is shown at the end of each section, by the section's number.

    Raises:
        ValueError: there is no such section, cell, picture or caption.
    """
    slides = list(_slides(for_students(cells), figures))
    numbers = {int(n) for cell in cells for n in re.findall(r"^## (\d+)\. ", cell.source, re.M)}
    if unknown := sorted(set(figures) - numbers):
        raise ValueError(
            f"figures are planned for section {unknown[0]}, but the lesson has the sections "
            f"{', '.join(map(str, sorted(numbers)))}; name one of these."
        )
    return new_notebook(cells=slides)


def _slides(cells: list[Cell], figures: Mapping[int, list[Figure]]) -> Iterator[Any]:
    """A slide for each heading and each task, with what stands below it; then the figures."""
    number, title = 0, ""
    has_words = after_code = False
    for cell in cells:
        if cell.kind == "code":
            if "blank" in cell.tags:
                yield new_code_cell(cell.source)
                has_words = True
            after_code = True
            continue
        for paragraph in cell.source.split("\n\n"):
            if found := _HEADING.match(paragraph):
                yield from _figures(figures.get(number, []))
                number, title = int(found[1] or 0), found[2]
                yield _slide(_words(paragraph))
                has_words = after_code = False
                continue
            if has_words and (after_code or _TASK.match(paragraph)):
                yield _slide(f"### {title}")
            yield new_markdown_cell(_words(paragraph))
            has_words, after_code = True, False
    yield from _figures(figures.get(number, []))


def _slide(markdown: str) -> Any:
    cell = new_markdown_cell(markdown)
    cell.metadata["slideshow"] = {"slide_type": "slide"}
    return cell


def _words(markdown: str) -> str:
    return _LINK.sub(r"\1", markdown)


def _figures(figures: list[Figure]) -> Iterator[Any]:
    for figure in figures:
        pictures, alt, caption = _drawn(figure)
        for picture in pictures:
            yield _slide(f"### {figure.title}")
            data = {"image/png": picture}
            yield new_code_cell(
                outputs=[new_output("display_data", data=data, metadata={"alt": alt})]
            )
            yield new_markdown_cell(f"*{caption}*")


def _drawn(figure: Figure) -> tuple[list[str], str, str]:
    """A committed cell's pictures, what they show in words, and their caption."""
    notebook = nbformat.read(find_notebook(figure.chapter), 4)
    cells = {cell.id: place for place, cell in enumerate(notebook.cells)}
    if figure.cell not in cells:
        raise ValueError(
            f"the chapter {figure.chapter} has no cell {figure.cell!r}, which was to be shown as "
            f"{figure.title!r}; write the id of the cell that draws it."
        )
    cell, below = notebook.cells[cells[figure.cell] :][:2]
    data = [output.get("data", {}) for output in cell.get("outputs", ())]
    pictures = [one["image/png"] for one in data if "image/png" in one]
    caption = _CAPTION.match(below.source.split("\n\n")[0].strip())
    if not pictures or not caption:
        raise ValueError(
            f"cell {figure.cell!r} of the chapter {figure.chapter} draws {len(pictures)} pictures "
            f"and has {'a' if caption else 'no'} caption below; name a cell with both."
        )
    text = _words(filled(caption[1], glued_texts(notebook)))
    return pictures, cell.metadata["mystnb"]["image"]["alt"], " ".join(text.split())
