"""A term shows its definition where it is used, for eye, keyboard and ear, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page

from tests.pages.conftest import ROOT
from tests.pages.test_pages import PAGES

PAGE = "notebooks/epoch_sweep.html"
LINK = 'article a[href$="#term-AUROC"]'
pytestmark = pytest.mark.xdist_group("book")


def definition(term: str) -> str:
    """As the source of the glossary has it."""
    text = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(term)}\n((?:  .+\n)+)", text, re.M)
    assert found
    return " ".join(found[1].split())


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, book: Path, browser: Browser) -> Iterator[Page]:
    """A chapter without a network, on a desk or a phone."""
    size = {"width": request.param, "height": 900}
    context = browser.new_context(viewport=size, offline=True)
    opened = context.new_page()
    opened.goto(f"file://{book / PAGE}", wait_until="load")
    yield opened
    context.close()


def test_focus_shows_the_definition_and_escape_closes_it(page: Page) -> None:
    link, box = page.locator(LINK), page.locator(".term-definition")
    assert not box.is_visible()
    link.focus()
    assert box.inner_text() == definition("AUROC")
    page.keyboard.press("Escape")
    assert not box.is_visible()
    assert page.evaluate("document.activeElement.hash") == "#term-AUROC"
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert box.is_visible()
    page.keyboard.press("Tab")
    assert definition("AUROC") not in (box.inner_text() if box.is_visible() else "")


def test_the_box_is_inside_of_the_window(page: Page) -> None:
    for link in page.locator('article a[href*="#term-"]').all():
        link.focus()
        place = page.locator(".term-definition").bounding_box()
        size = page.viewport_size
        assert place is not None
        assert size is not None
        assert place["x"] >= 0
        assert place["y"] >= 0
        assert place["x"] + place["width"] <= size["width"]
        assert place["y"] + place["height"] <= size["height"]


def test_the_pointer_shows_it_and_may_enter_it(page: Page) -> None:
    link, box = page.locator(LINK), page.locator(".term-definition")
    link.hover()
    assert box.inner_text() == definition("AUROC")
    box.hover()
    page.wait_for_timeout(400)
    assert box.is_visible()
    page.mouse.move(1, 1)
    box.wait_for(state="hidden", timeout=2000)


def test_a_screen_reader_is_told(page: Page) -> None:
    link = page.locator(LINK)
    described = link.get_attribute("aria-describedby")
    told = page.evaluate("id => document.getElementById(id).textContent", described)
    assert told == definition("AUROC")


def test_the_first_tap_shows_and_the_second_follows(book: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 900}, has_touch=True)
    page = context.new_page()
    page.goto(f"file://{book / PAGE}", wait_until="load")
    page.locator(LINK).tap()
    assert page.locator(".term-definition").inner_text() == definition("AUROC")
    assert page.url.endswith(PAGE)
    page.locator(LINK).tap()
    page.wait_for_url("**/glossary.html#term-AUROC")
    context.close()


def test_each_page_marks_a_term_once_and_has_its_definition(book: Path) -> None:
    marked = {}
    for name in PAGES:
        soup = BeautifulSoup((book / name).read_text(encoding="utf-8"), "html.parser")
        links = [str(a["href"]) for a in soup.select("article a:has(> .std-term)")]
        marked[name] = {link.partition("#term-")[2] for link in links}
        assert len(links) == len(marked[name]), name
        defined = {str(p["id"]) for p in soup.select("#definitions p")}
        assert defined == {f"definition-term-{term}" for term in marked[name]}, name
        # Every chapter on the score says what its number is.
        # In the solution of an exercise it is not a first use.
        for solution in soup.select(".solution"):
            solution.decompose()
        spoken = " ".join(p.get_text() for p in soup.select("article section > p"))
        written = re.search(r"\bAUROCs?\b", spoken) and name not in UNMARKED
        assert not written or "AUROC" in marked[name], name
    assert {"flow", "ID-and-OOD"} <= marked["book/introduction.html"]
    assert not any(marked[name] for name in UNMARKED)


UNMARKED = ("book/glossary.html", "book/notation.html", "book/api.html", "book/references.html")
