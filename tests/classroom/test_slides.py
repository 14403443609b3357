"""Each lesson's deck opens in a browser from one file, and its slides can be read."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from earlyglow_book.classroom.pages import Cell
from earlyglow_book.notebooks import find_notebook
from tools.slides.__main__ import plan, write_decks
from tools.slides.deck import Figure, deck

LESSONS = list(plan())
_SEEN = """() => {
  const slide = document.querySelector('section.present');
  const boxes = [slide, ...slide.querySelectorAll('*')].map(e => e.getBoundingClientRect());
  const pictures = [...slide.querySelectorAll('img')];
  return {
    title: slide.querySelector('h1, h2, h3').innerText,
    text: slide.innerText,
    left: Math.min(...boxes.map(b => b.left)), right: Math.max(...boxes.map(b => b.right)),
    top: Math.min(...boxes.map(b => b.top)), bottom: Math.max(...boxes.map(b => b.bottom)),
    heights: pictures.map(i => i.getBoundingClientRect().height),
    drawn: pictures.every(i => i.complete && i.naturalWidth > 0 && i.alt.length > 10),
    captions: pictures.map(i => i.nextElementSibling.innerText),
    sources: pictures.map(i => i.src),
  };
}"""


@pytest.fixture(scope="module")
def decks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decks, away from the checkout that their scripts come from."""
    folder = tmp_path_factory.mktemp("slides")
    write_decks(folder)
    return folder


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    yield page
    page.close()


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_deck_is_walked_through_by_the_arrow_keys(lesson: str, decks: Path, page: Page) -> None:
    """No request, no error, nothing off the screen, every figure large and captioned."""
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda r: requests.append(r.url) if r.url[:5] != "data:" else None)
    page.on("console", lambda m: problems.append(m.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"file://{decks / lesson}.html", wait_until="load")
    slides = []
    for _ in range(page.evaluate("Reveal.getTotalSlides()")):
        slides.append(page.evaluate(_SEEN))
        page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.isLastSlide()")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(_SEEN)["text"] == slides[-2]["text"]
    assert problems == []
    assert [url.partition("#")[0] for url in requests] == [f"file://{decks / lesson}.html"]
    for slide in slides:
        assert slide["left"] >= 0
        assert slide["right"] <= 1280
        assert slide["top"] >= 0
        assert slide["bottom"] <= 700, slide["title"]
        assert slide["drawn"], slide["title"]
        assert all(height > 300 for height in slide["heights"]), slide["title"]
        assert all(len(caption) > 20 for caption in slide["captions"])
        for mark in ("$", "glue:text", "`", "](", "Solution", "What to hear"):
            assert mark not in slide["text"]


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_deck_has_the_planned_figures_of_the_chapters_and_every_section(
    lesson: str, decks: Path, page: Page
) -> None:
    page.goto(f"file://{decks / lesson}.html", wait_until="load")
    shown = page.eval_on_selector_all("img", "images => images.map(i => i.src)")
    planned = []
    for figure in [one for figures in plan()[lesson].values() for one in figures]:
        notebook = nbformat.read(find_notebook(figure.chapter), 4)
        (cell,) = (cell for cell in notebook.cells if cell.id == figure.cell)
        planned += [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
    assert [base64.b64decode(src.partition(",")[2]) for src in shown] == [
        base64.b64decode(picture) for picture in planned
    ]
    source = Path(__file__).parents[2] / "book" / "lessons" / f"{lesson}.md"
    headings = [line[3:] for line in source.read_text().splitlines() if line.startswith("## ")]
    assert page.eval_on_selector_all("h2", "all => all.map(h => h.innerText)") == headings


def test_a_slide_begins_at_each_task_and_below_code() -> None:
    cells = [
        Cell("markdown", "# A lesson\n\n**Live.** What it is."),
        Cell("code", "import this"),
        Cell("markdown", "## 1. One\n\nWords [here](there.md).\n\n**Guess.** What?"),
        Cell("code", "run()"),
        Cell("markdown", "After it.\n\nMore."),
        Cell("code", "def f(): ...", ("blank",)),
        Cell("code", "def f(): return 1", ("solution",)),
        Cell("markdown", "Below."),
    ]
    slides: list[list[str]] = []
    for cell in deck(cells, {}).cells:
        if cell.metadata.get("slideshow"):
            slides.append([])
        slides[-1].append(cell.source)
    assert slides == [
        ["# A lesson", "**Live.** What it is."],
        ["## 1. One", "Words here."],
        ["### One", "**Guess.** What?"],
        ["### One", "After it.", "More.", "def f(): ..."],
        ["### One", "Below."],
    ]


@pytest.mark.parametrize(
    ("section", "figure", "reason"),
    [
        (2, Figure("T", "idea", "c10"), "section 2, but the lesson has the sections 1"),
        (1, Figure("T", "idea", "c99"), "the chapter idea has no cell 'c99'"),
        (1, Figure("T", "idea", "c00"), "draws 0 pictures and has no caption below"),
    ],
)
def test_a_figure_that_is_not_there_is_named(section: int, figure: Figure, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        deck([Cell("markdown", "# A\n\n## 1. One")], {section: [figure]})


def test_reveal_is_small_and_has_its_licence() -> None:
    folder = Path(__file__).parents[2] / "book" / "_static" / "reveal"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
    assert "MIT licence" in (folder / "LICENSE.txt").read_text()
