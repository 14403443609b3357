"""The book is built strictly, and each of its pages opens in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

PAGES = [
    "book/introduction.html",
    "book/plan.html",
    "notebooks/idea.html",
    "book/glossary.html",
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
    "notebooks/verdict.html",
    "notebooks/gradient_short_circuit.html",
    "notebooks/cost.html",
    "book/rerun.html",
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
    "book/exercises/likelihood_paradox.html",
    "book/exercises/group_size.html",
    "book/exercises/support_overlap.html",
    "book/exercises/low_level_features.html",
    "book/exercises/readings.html",
    "book/exercises/better_score.html",
    "book/exercises/norm_geometry.html",
    "book/exercises/which_epoch.html",
    "book/exercises/few_images.html",
    "book/exercises/gradient_short_circuit.html",
    "book/exercises/cost.html",
    "book/exercises/released_code.html",
    "book/exercises/maturity.html",
    "book/exercises/verdict.html",
    "book/api.html",
    "book/references.html",
]
pytestmark = pytest.mark.xdist_group("book")


def test_the_list_of_pages_is_complete(book: Path) -> None:
    built = {
        path.relative_to(book).as_posix()
        for folder in ("book", "notebooks")
        for path in (book / folder).rglob("*.html")
    }
    assert built == set(PAGES)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_page_opens(name: str, width: int, book: Path, browser: Browser) -> None:
    """No console error, no failed request, every image drawn, nothing wider than the screen."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.goto(f"file://{book / name}", wait_until="load")
    page.wait_for_timeout(300)
    assert problems == []
    blank = "images => images.filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
    assert page.eval_on_selector_all("img", blank) == []
    assert page.inner_text("h1").strip()
    assert not page.get_by_text("Traceback (most recent call last)").count()
    assert _overflow(page) <= 1
    page.close()


def test_formulas_are_typeset_without_a_network(book: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"file://{book / 'book/glow.html'}", wait_until="load")
    page.wait_for_selector("mjx-container", timeout=20_000)
    assert page.locator("mjx-container").count() > 5
    page.close()


def test_numbers_in_the_text_are_glued(book: Path, browser: Browser) -> None:
    """A number that was not glued would leave its role's name in the page."""
    for name in PAGES:
        page = browser.new_page()
        page.goto(f"file://{book / name}")
        assert "glue:text" not in page.inner_text("body")
        page.close()


def _overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
