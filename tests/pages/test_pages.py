"""The book is built strictly, and each of its pages opens in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup, SoupStrainer
from playwright.sync_api import Browser, Page

from earlyglow_book.classroom.pages import exercise_numbers

PAGES = [
    "book/introduction.html",
    "book/plan.html",
    "notebooks/idea.html",
    "book/glossary.html",
    "book/notation.html",
    "book/cluster.html",
    "book/glow.html",
    "book/score.html",
    "notebooks/quickstart.html",
    "notebooks/epoch_sweep.html",
    "notebooks/three_sweeps.html",
    "notebooks/group_size.html",
    "notebooks/likelihood_paradox.html",
    "notebooks/support_overlap.html",
    "notebooks/low_level_features.html",
    "notebooks/kmnist_failure.html",
    "notebooks/synthetic_augmentation.html",
    "notebooks/released_code.html",
    "notebooks/dense_glow_full_size.html",
    "notebooks/readings.html",
    "notebooks/explorer.html",
    "notebooks/maturity.html",
    "notebooks/better_score.html",
    "notebooks/norm_geometry.html",
    "notebooks/which_epoch.html",
    "notebooks/few_images.html",
    "notebooks/few_training_images.html",
    "notebooks/shift.html",
    "notebooks/verdict.html",
    "notebooks/short_circuit_idea.html",
    "notebooks/gradient_short_circuit.html",
    "notebooks/short_circuit_parts.html",
    "notebooks/cost.html",
    "book/rerun.html",
    "book/images.html",
    "notebooks/your_images.html",
    "notebooks/your_model.html",
    "book/teaching.html",
    "book/lessons/likelihood.html",
    "book/lessons/gradients.html",
    "book/lessons/immature.html",
    "book/lessons/leaderboard.html",
    "book/exercises/quickstart.html",
    "book/exercises/idea.html",
    "book/exercises/glow.html",
    "book/exercises/score.html",
    "book/exercises/epoch_sweep.html",
    "book/exercises/verdict.html",
    "book/exercises/three_sweeps.html",
    "book/exercises/group_size.html",
    "book/exercises/likelihood_paradox.html",
    "book/exercises/support_overlap.html",
    "book/exercises/low_level_features.html",
    "book/exercises/kmnist_failure.html",
    "book/exercises/synthetic_augmentation.html",
    "book/exercises/released_code.html",
    "book/exercises/dense_glow_full_size.html",
    "book/exercises/readings.html",
    "book/exercises/maturity.html",
    "book/exercises/better_score.html",
    "book/exercises/norm_geometry.html",
    "book/exercises/which_epoch.html",
    "book/exercises/few_images.html",
    "book/exercises/few_training_images.html",
    "book/exercises/shift.html",
    "book/exercises/explorer.html",
    "book/exercises/short_circuit_idea.html",
    "book/exercises/gradient_short_circuit.html",
    "book/exercises/your_images.html",
    "book/exercises/your_model.html",
    "book/exercises/cost.html",
    "book/api.html",
    "book/references.html",
]
# About 6,000 pixels at a width of 1280, and a little for other fonts; folded parts are folded.
LONGEST = 6300
# Pages that may be longer, and why.
LONGER = {"book/api.html": "a reference is looked up by name and not read through"}
pytestmark = pytest.mark.xdist_group("book")


def test_one_worker_builds_the_book(request: pytest.FixtureRequest) -> None:
    """A version of pytest that hides groups from pytest-xdist would build it in every worker."""
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@book") == grouped


def test_the_list_of_pages_is_complete(book: Path) -> None:
    built = {
        path.relative_to(book).as_posix()
        for folder in ("book", "notebooks")
        for path in (book / folder).rglob("*.html")
    }
    assert built == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_page_opens(name: str, book: Path, browser: Browser) -> None:
    """No console error, failed request or barrier; images drawn; nothing too wide or too long."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.goto(f"file://{book / name}", wait_until="load")
    page.wait_for_timeout(100)
    assert problems == []
    blank = "images => images.filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
    assert page.eval_on_selector_all("img", blank) == []
    assert page.inner_text("h1").strip()
    assert not page.get_by_text("Traceback (most recent call last)").count()
    assert _barriers(page) == []
    height = page.evaluate("document.documentElement.scrollHeight")
    assert (height > LONGEST) == (name in LONGER), height
    assert _scrolled_parts(page) == []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert _overflow(page) <= 1, width
    page.close()


def test_figures_are_numbered_and_captioned(book: Path) -> None:
    """Numbers run through the whole book, and no picture of a notebook is without one."""
    numbers: list[int] = []
    for name in PAGES:
        article = _article(book, name)
        for cell in article.select("div.cell"):
            assert not cell.find("img") or cell.find("figcaption"), name
        numbers += [
            int(number.get_text().split()[1])
            for number in article.select("figcaption .caption-number")
        ]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(numbers) > 80


def test_exercises_have_the_numbers_of_the_students_notebooks(book: Path) -> None:
    found = {}
    for name in PAGES:
        for exercise in _article(book, name).select("div.exercise"):
            title = exercise.select_one(".admonition-title")
            assert title is not None
            found[exercise["id"]] = int(title.get_text().split()[1])
    assert found == exercise_numbers()


def test_formulas_are_typeset_without_a_network(book: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"file://{book / 'book/glow.html'}", wait_until="load")
    page.wait_for_selector("mjx-container", timeout=20_000)
    assert page.locator("mjx-container").count() > 5
    page.close()


def test_numbers_in_the_text_are_glued(book: Path) -> None:
    """A number that was not glued would leave its role's name in the page."""
    for name in PAGES:
        assert "glue:text" not in _article(book, name).get_text(), name


def _article(book: Path, name: str) -> BeautifulSoup:
    text = (book / name).read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser", parse_only=SoupStrainer("article"))


def _barriers(page: Page) -> list[str]:
    """What keeps some readers out, by axe: its serious findings and worse."""
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa"]}
    # No rule of these reads style sheets, which a page that was opened from a file may not fetch.
    options = {"resultTypes": ["violations"], "runOnly": rules, "preload": False}
    found = Axe().run(page, options=options).response
    return [
        f"{violation['help']}: {violation['nodes'][0]['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def _scrolled_parts(page: Page) -> list[str]:
    """Tables, code and other boxes of the article that are wider than they show."""
    wide = """boxes => boxes
        .filter(box => box.clientWidth && box.scrollWidth > box.clientWidth + 1)
        .filter(box => ['auto', 'scroll'].includes(getComputedStyle(box).overflowX))
        .map(box => box.textContent.slice(0, 200))"""
    return page.eval_on_selector_all("article *", wide)


def _overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
