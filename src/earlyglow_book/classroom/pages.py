"""The pages for a class, and the cells that they are made of (MyST text notebooks)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from markdown_it import MarkdownIt

from earlyglow_book.places import shipped
from earlyglow_book.registry import pages_below

FOLDERS = ("lessons", "exercises")
_CODE = "{code-cell}"
_LABEL = re.compile(r"^:::\{exercise\}\n:label: (\S+)$", re.M)
_OPTION = re.compile(r"^:(\w+):(.*)$")
_BREAK = re.compile(r"^\+\+\+(.*)$")


@dataclass(frozen=True)
class Cell:
    """A cell of a page: Markdown or Python, with its tags."""

    kind: Literal["markdown", "code"]
    source: str
    tags: tuple[str, ...] = ()


def page_files() -> list[Path]:
    """The sources of all lessons and exercises, lessons first."""
    return [path for name in FOLDERS for path in sorted(shipped(f"book/{name}").glob("*.md"))]


def exercise_numbers() -> dict[str, int]:
    """The number that each exercise has in the book, by its label."""
    folder = shipped("book/exercises")
    texts = [
        (folder / f"{name}.md").read_text(encoding="utf-8")
        for name in pages_below("book/exercises")
    ]
    labels = [label for text in texts for label in _LABEL.findall(text)]
    return {label: number for number, label in enumerate(labels, start=1)}


def read_cells(text: str) -> list[Cell]:
    """The cells of a MyST text notebook, without its front matter."""
    lines = _without_front_matter(text).split("\n")
    cells: list[Cell] = []
    done = 0
    for token in MarkdownIt().parse("\n".join(lines)):
        if token.type == "fence" and token.info.startswith(_CODE) and token.map:
            first, after = token.map
            cells += _markdown_cells(lines[done:first])
            cells.append(_code_cell(token.content.rstrip("\n").split("\n")))
            done = after
    return cells + _markdown_cells(lines[done:])


def _without_front_matter(text: str) -> str:
    _, _, rest = text.removeprefix("---\n").partition("\n---\n")
    return rest if text.startswith("---\n") else text


def _code_cell(lines: list[str]) -> Cell:
    tags: tuple[str, ...] = ()
    while lines and (option := _OPTION.match(lines[0])):
        if option[1] == "tags":
            tags = tuple(yaml.safe_load(option[2]))
        lines = lines[1:]
    return Cell("code", "\n".join(lines).strip("\n"), tags)


def _markdown_cells(lines: list[str]) -> list[Cell]:
    """The cells between two code cells; a line ``+++ {"tags": [...]}`` begins a new one."""
    cells: list[Cell] = []
    tags: tuple[str, ...] = ()
    gathered: list[str] = []
    for line in [*lines, "+++"]:
        found = _BREAK.match(line)
        if not found:
            gathered.append(line)
            continue
        source = "\n".join(gathered).strip("\n")
        if source.strip():
            cells.append(Cell("markdown", source, tags))
        tags = tuple((yaml.safe_load(found[1]) or {}).get("tags", ()))
        gathered = []
    return cells
