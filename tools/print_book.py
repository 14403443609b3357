"""The whole book as one PDF, with a contents page, bookmarks and page numbers.

Chromium prints one long page. Where a chapter begins is only known afterwards, so it prints twice.
"""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page
from pypdf import PdfReader
from pypdf.generic import Destination

from tools.headless import headless_browser

_MARGINS = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
_FOOTER = (
    '<div style="font-size: 8px; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)
# What is folded on the screen is open on paper; a link to a heading is of no use there.
_OPEN = """() => {
  document.querySelectorAll('details').forEach(d => { d.open = true; });
  const unread = 'a.headerlink, .tag_hide-input > details.above-input, .tag_hide-cell .cell_input';
  document.querySelectorAll(unread).forEach(e => e.remove());
}"""
_TYPESET = "async () => { await window.MathJax?.startup?.promise; }"
_TITLES = """names => names.map(name => {
  const mark = document.getElementById('document-' + name);
  const heading = mark.nextElementSibling.querySelector('h1, h2, h3');
  heading.classList.add('begins-a-chapter');
  return heading.innerText.trim();
})"""
_INSERT = """contents => {
  document.querySelector('#printed-contents')?.remove();
  document.querySelector('article').insertAdjacentHTML('afterbegin', contents);
}"""


@dataclass(frozen=True)
class Chapter:
    """A page of the book: its file without ending, and what it is called in print."""

    name: str
    title: str


def build_single_page(source: Path, output: Path) -> Path:
    """The staged book as one page; returns it."""
    subprocess.run(
        [str(Path(sys.executable).with_name("jupyter-book")), "build", str(source),
         "--path-output", str(output), "--builder", "custom", "--custom-builder", "singlehtml",
         "-n", "-q"],
        check=True,
    )  # fmt: skip
    built = output / "_build" / "singlehtml"
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    # Sphinx writes its addresses as if the page lay beside its folders.
    return shutil.copy(built / f"{toc['root']}.html", built / "book.html")


def print_book(source: Path, browser: Browser, target: Path) -> dict[str, int]:
    """Print a staged book, and say on which page each chapter begins.

    Args:
        source: the folder with ``_toc.yml``, pages and executed notebooks.
        browser: Chromium.
        target: the PDF to write.
    """
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    parts = {part["caption"]: [c["file"] for c in part["chapters"]] for part in toc["parts"]}
    page = browser.new_page()
    page.goto(build_single_page(source, target.parent / "single-page").as_uri(), wait_until="load")
    page.evaluate(_TYPESET)
    page.evaluate(_OPEN)
    page.add_style_tag(path=str(Path(__file__).with_name("print_book.css")))
    chapters = {
        caption: [Chapter(*pair) for pair in zip(names, page.evaluate(_TITLES, names), strict=True)]
        for caption, names in parts.items()
    }
    pages: dict[str, int] = {}
    # The contents have the same length with and without numbers.
    for _ in range(2):
        page.evaluate(_INSERT, _contents(chapters, pages))
        pages = _print(page, target)
    page.close()
    return pages


def _contents(chapters: dict[str, list[Chapter]], pages: dict[str, int]) -> str:
    parts = "".join(
        f"<h3>{html.escape(caption)}</h3>"
        + "".join(
            f'<p><a href="#document-{chapter.name}">{html.escape(chapter.title)}</a>'
            f"<span>{pages.get(chapter.title, 0)}</span></p>"
            for chapter in own
        )
        for caption, own in chapters.items()
    )
    return f'<nav id="printed-contents"><h1>earlyglow</h1>{parts}</nav>'


def _print(page: Page, target: Path) -> dict[str, int]:
    """Print, and find the page of each bookmark of the first two levels."""
    page.pdf(
        path=str(target), format="A4", margin=_MARGINS, print_background=True, outline=True,
        tagged=True, display_header_footer=True, header_template="<div></div>",
        footer_template=_FOOTER,
    )  # fmt: skip
    reader = PdfReader(target)
    return {
        str(mark.title): (reader.get_destination_page_number(mark) or 0) + 1
        for mark in _bookmarks(reader.outline, levels=2)
    }


def _bookmarks(outline: list[Any], levels: int) -> Iterator[Destination]:
    for entry in outline:
        if not isinstance(entry, list):
            yield entry
        elif levels > 1:
            yield from _bookmarks(entry, levels - 1)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a staged book")
    parser.add_argument("target", type=Path, help="the PDF")
    asked = parser.parse_args()
    with headless_browser() as browser:
        print_book(asked.source.resolve(), browser, asked.target.resolve())
    print(f"The book is printed: {asked.target}")


if __name__ == "__main__":
    main()
