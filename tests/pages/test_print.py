"""The printed book: its contents name the pages on which the chapters really begin."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from tests.pages.conftest import ROOT
from tools.print_book import print_book

pytestmark = pytest.mark.xdist_group("book")


def printed(folder: Path, browser: Browser, *chapters: str) -> PdfReader:
    """A book of a few chapters, on paper."""
    source = folder / "source"
    shutil.copytree(ROOT / "book", source / "book")
    shutil.copytree(ROOT / "notebooks", source / "notebooks")
    shutil.copy(ROOT / "_config.yml", source)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: book/plan\nparts:\n  - caption: One part\n    chapters:\n"
        + "".join(f"      - file: {name}\n" for name in chapters)
    )
    print_book(source, browser, folder / "out" / "book.pdf")
    return PdfReader(folder / "out" / "book.pdf")


def test_figures_are_printed_folded_ones_too_and_code_is_not(
    tmp_path: Path, browser: Browser
) -> None:
    reader = printed(tmp_path, browser, "notebooks/verdict")
    images = (image for page in reader.pages for image in page.images)
    drawn = {hashlib.sha256(image.data).hexdigest() for image in images}
    notebook = nbformat.read(ROOT / "notebooks/verdict.ipynb", 4)
    pictures = [o for c in notebook.cells for o in c.get("outputs", ()) if "image/png" in str(o)]
    assert len(drawn) >= len(pictures) > 3
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "parameter_table" not in text
    assert "read_evidence" not in text


def test_chapters_begin_where_the_contents_say(tmp_path: Path, browser: Browser) -> None:
    reader = printed(tmp_path, browser, "book/glow", "book/score")
    pages = [page.extract_text() for page in reader.pages]
    listed = dict(re.findall(r"^(Glow|The score): .*?(\d+)$", pages[0], re.M))
    assert listed.keys() == {"Glow", "The score"}
    for title, number in listed.items():
        assert pages[int(number) - 1].startswith(f"{title}: ")
        assert pages[int(number) - 1].rstrip().endswith(number)
    assert "One part" in pages[0]
    assert {mark.title for mark in reader.outline if not isinstance(mark, list)} >= {"earlyglow"}
