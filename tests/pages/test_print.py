"""The printed book: its contents name the pages on which the chapters really begin."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from tests.pages.conftest import ROOT
from tools.print_book import print_book

pytestmark = pytest.mark.xdist_group("book")


def test_chapters_begin_where_the_contents_say(tmp_path: Path, browser: Browser) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "book", source / "book")
    shutil.copy(ROOT / "_config.yml", source)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: book/plan\nparts:\n  - caption: One part\n    chapters:\n"
        "      - file: book/glow\n      - file: book/score\n"
    )
    print_book(source, browser, tmp_path / "out" / "book.pdf")
    reader = PdfReader(tmp_path / "out" / "book.pdf")
    pages = [page.extract_text() for page in reader.pages]
    listed = dict(re.findall(r"^(Glow|The score): .*?(\d+)$", pages[0], re.M))
    assert listed.keys() == {"Glow", "The score"}
    for title, number in listed.items():
        assert pages[int(number) - 1].startswith(f"{title}: ")
        assert pages[int(number) - 1].rstrip().endswith(number)
    assert "One part" in pages[0]
    assert {mark.title for mark in reader.outline if not isinstance(mark, list)} >= {"earlyglow"}
