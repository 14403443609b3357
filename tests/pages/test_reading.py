"""What is folded on a page has a name."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser

from earlyglow_book.notebooks import find_notebook
from earlyglow_book.registry import chapter_names


@pytest.mark.parametrize("name", chapter_names())
def test_what_is_folded_says_what_it_is(name: str) -> None:
    titles = []
    for cell in nbformat.read(find_notebook(name), 4).cells:
        if "hide-cell" in cell.metadata.get("tags", ()):
            shown = cell.metadata.get("mystnb", {}).get("code_prompt_show", "")
            assert re.match(r"(Tables?|Figures?): .{8}|The .{8}", shown), cell.source
            assert cell.metadata.mystnb.code_prompt_hide == shown
            titles.append(shown)
    assert len(set(titles)) == len(titles)


@pytest.mark.xdist_group("book")
def test_a_folded_title_is_what_a_screen_reader_hears(book: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"file://{book / 'notebooks/verdict.html'}", wait_until="load")
    title = "Figure: AUROC of every pair, early and late"
    folded = page.locator("details.hide > summary", has_text=title)
    assert folded.get_attribute("aria-label") is None
    assert not page.locator("details.hide img").first.is_visible()
    folded.focus()
    page.keyboard.press("Enter")
    opened = page.locator("details.hide[open]")
    assert opened.locator("img").is_visible()
    assert opened.locator("figcaption").is_visible()
    page.close()
