"""The explorer moves in a page opened from a file, by keyboard and by mouse, and shows the truth.

The truth is the stored tables, read here without the code that writes the page's scripts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from earlyglow_book.titles import title_of

ROOT = Path(__file__).parents[2]
PAGE = "notebooks/explorer.html"
pytestmark = pytest.mark.xdist_group("book")


def stored(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


FLOWS = {
    path.parent.name: json.loads(path.read_text())["parameters"] | {"folder": path.parent}
    for path in sorted(ROOT.glob("results/readings/*/manifest.json"))
}
SHOWN = next(name for name in FLOWS if name.startswith("celeba-glow-long-seed0"))


def auroc_text(flow: str, ood: str, epoch: float, reading: str, size: int = 1) -> str:
    rows = stored(FLOWS[flow]["folder"], "readings")
    names = (rows["detector"].astype(str) + " " + rows["objective"].astype(str)).str.strip()
    same = (names == reading) & (rows["ood"] == ood) & (rows["epoch"] == epoch)
    rows = rows[same & (rows["group_size"] == size)]
    row = rows.astype({"auroc": float, "low": float, "high": float}).iloc[0]
    return f"{row.auroc:.3f} [{row.low:.3f}, {row.high:.3f}]"


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, book: Path, browser: Browser) -> Iterator[Page]:
    """The explorer without a network; no console error, and no request but for the book's files."""
    width = {"width": request.param, "height": 900}
    context = browser.new_context(viewport=width, offline=True)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda m: problems.append(m.text) if m.type != "log" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    opened.on("request", lambda r: None if r.url.startswith("file:") else problems.append(r.url))
    opened.goto(f"file://{book / PAGE}", wait_until="load")
    opened.wait_for_selector("#explorer .explorer-chart path")
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 1
    assert problems == []
    context.close()


def says(page: Page, text: str) -> None:
    """Wait until the announced sentence holds the text; fails with what it says instead."""
    output = page.locator("#explorer output")
    try:
        page.wait_for_function(
            "text => document.querySelector('#explorer output').textContent.includes(text)",
            arg=text,
            timeout=4000,
        )
    except PlaywrightTimeoutError:
        pytest.fail(f"{output.inner_text()!r} does not say {text!r}")


def curves(page: Page) -> list[str]:
    return page.locator(".explorer-chart path").evaluate_all("all => all.map(p => p.outerHTML)")


def press_until(chosen: Locator, key: str, is_there: Callable[[], bool]) -> None:
    chosen.focus()
    for _ in range(20):
        if is_there():
            return
        chosen.press(key)
    pytest.fail(f"{key} did not get there")


def test_the_slider_moves_by_keyboard_through_every_checkpoint(page: Page) -> None:
    epochs = FLOWS[SHOWN]["epochs"]
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    seen = set()
    for i, epoch in enumerate(epochs):
        if i:
            page.keyboard.press("ArrowRight")
        says(page, auroc_text(SHOWN, "cifar10", epoch, "layer_gradients log_prob"))
        images = re.search(r"([\d,]+) images seen", slider.get_attribute("aria-valuetext") or "")
        assert images is not None
        assert int(images[1].replace(",", "")) == round(epoch * 5000)
        page.wait_for_timeout(50)
        seen.add(tuple(curves(page)))
    assert len(seen) == len(epochs)


def test_the_slider_moves_by_mouse(page: Page) -> None:
    slider = page.get_by_role("slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    says(page, "untrained, 0 images seen")
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    says(page, "epoch 200, 1,000,000 images seen")


def test_choices_by_keyboard(page: Page) -> None:
    reading = page.get_by_label("Reading")
    press_until(reading, "ArrowDown", lambda: reading.input_value() == "neighbours log_prob")
    says(page, auroc_text(SHOWN, "cifar10", 200, "neighbours log_prob"))
    size = page.get_by_label("Images in a group")
    press_until(size, "ArrowDown", lambda: size.input_value() == "5")
    says(page, auroc_text(SHOWN, "cifar10", 200, "neighbours log_prob", 5))
    ood = page.get_by_label("OOD set")
    press_until(ood, "ArrowDown", lambda: ood.input_value() == "svhn")
    says(page, auroc_text(SHOWN, "svhn", 200, "neighbours log_prob", 5))
    assert page.locator("#explorer-pair").inner_text() == "CelebA against SVHN"


def test_every_flow_and_reading_can_be_chosen(page: Page) -> None:
    """Each flow by its list, and then every cell of its row in the map."""
    reached = set()
    for family in options(page, "family"):
        page.locator("#explorer-family").select_option(family)
        for seed in options(page, "seed"):
            page.locator("#explorer-seed").select_option(seed, force=True)
            for name in options(page, "id"):
                page.locator("#explorer-id").select_option(name)
                flow, last = FLOWS[name], max(FLOWS[name]["epochs"])
                page.locator("#explorer-slider").press("End")
                for reading in ("likelihood", "no_flow"):
                    page.locator("#explorer-reading").select_option(reading)
                    ood = flow["ood_datasets"][-1]
                    page.locator("#explorer-ood").select_option(ood)
                    says(page, auroc_text(name, ood, last, reading))
                    for other in flow["ood_datasets"]:
                        cell = page.locator(f'[data-flow="{name}"][data-ood="{other}"]')
                        exact = auroc_text(name, other, last, reading).split()[0]
                        assert cell.inner_text() == exact.removeprefix("0")
                reached.add(name)
    assert reached == set(FLOWS)


def options(page: Page, name: str) -> list[str]:
    all_of = page.locator(f"#explorer-{name} option")
    return [str(value) for value in all_of.evaluate_all("all => all.map(o => o.value)")]


def test_a_cell_opens_its_pair_by_mouse_and_by_keyboard(page: Page) -> None:
    cells = page.locator(".explorer-map button")
    for i, act in enumerate((lambda cell: cell.click(), lambda cell: cell.press("Enter"))):
        cell = cells.nth(cells.count() - 1 - i)
        flow, ood = (str(cell.get_attribute(f"data-{name}")) for name in ("flow", "ood"))
        act(cell)
        says(page, auroc_text(flow, ood, 200, "layer_gradients log_prob"))
        titles = [title_of(name) for name in (FLOWS[flow]["id_dataset"], ood)]
        assert page.locator("#explorer-pair").inner_text() == " against ".join(titles)
        pressed = page.locator('.explorer-map [aria-pressed="true"]')
        assert pressed.get_attribute("data-ood") == ood
    # The map was made anew, and the keyboard is where it was.
    assert page.evaluate("document.activeElement.dataset.ood") == ood


def test_the_map_moves_with_the_slider(page: Page) -> None:
    page.get_by_role("slider").press("Home")
    says(page, "untrained")
    for cell in page.locator(".explorer-map button").all():
        flow, ood = (str(cell.get_attribute(f"data-{name}")) for name in ("flow", "ood"))
        exact = auroc_text(flow, ood, 0, "layer_gradients log_prob").split()[0]
        assert cell.inner_text() == exact.removeprefix("0")


def test_the_roc_has_about_the_area_that_is_said(page: Page) -> None:
    """The drawn line's area, in its own pixels, against the stored AUROC."""
    page.get_by_role("slider").press("Home")
    says(page, "untrained")
    page.wait_for_timeout(100)
    roc = page.locator(".explorer-chart").nth(1).locator('path[stroke="#0072B2"]')
    points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", roc.get_attribute("d") or ""), float)
    x, y = points[:, 0] / points[:, 0].max(), 1 - points[:, 1] / points[:, 1].max()
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    exact = float(auroc_text(SHOWN, "cifar10", 0, "layer_gradients log_prob").split()[0])
    assert area == pytest.approx(exact, abs=0.01)


def test_the_numbers_behind_are_in_tables(page: Page) -> None:
    page.locator("#explorer summary").press("Enter")
    aurocs, scores = page.locator("#explorer details table").all()
    rows = aurocs.locator("tbody tr").all_inner_texts()
    epochs = FLOWS[SHOWN]["epochs"]
    assert len(rows) == len(epochs)
    for row, epoch in zip(rows, epochs, strict=True):
        assert auroc_text(SHOWN, "cifar10", epoch, "layer_gradients log_prob") in row
        no_flow = auroc_text(SHOWN, "cifar10", epoch, "no_flow").split()[0]
        assert row.split("\t")[-1] == no_flow
    cells = [row.split("\t") for row in scores.locator("tbody tr").all_inner_texts()]
    for column in (2, 3):
        total = sum(float(row[column].removesuffix(" %")) for row in cells)
        assert total == pytest.approx(100, abs=0.05 * len(cells))


@pytest.mark.parametrize("width", [1280, 390])
def test_without_scripts_there_is_the_still_picture(
    width: int, book: Path, browser: Browser
) -> None:
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{book / PAGE}")
    pictures = page.locator(".tag_still-picture img")
    assert pictures.count() == 2
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
    assert page.locator(".tag_still-picture table").is_visible()
    assert not page.locator("#explorer").inner_text()
    context.close()


def test_on_paper_there_is_the_still_picture_alone(page: Page) -> None:
    still = page.locator(".tag_still-picture img").first
    assert not still.is_visible()
    assert page.locator("#explorer").is_visible()
    page.emulate_media(media="print")
    assert still.is_visible()
    assert not page.locator("#explorer").is_visible()


def test_a_missing_file_is_said(book: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/celeba-glow-long*.js", lambda route: route.abort())
    page.goto(f"file://{book / PAGE}")
    says(page, f"The book's file {SHOWN}.js is missing.")
    page.close()


def test_letters_are_light_in_the_dark(book: Path, browser: Browser) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"file://{book / PAGE}")
    page.wait_for_selector(".explorer-chart svg text")
    colour = "node => getComputedStyle(node).fill.match(/\\d+/g).map(Number)"
    assert min(page.locator(".explorer-chart svg text").first.evaluate(colour)) > 150
    behind = "node => getComputedStyle(node).backgroundColor"
    assert page.locator(".text_html:has(#explorer)").evaluate(behind) == "rgba(0, 0, 0, 0)"
    page.close()


def test_the_scripts_are_small_and_on_pages_that_move_alone(book: Path) -> None:
    library = sum(path.stat().st_size for path in (book / "_static/vega").iterdir())
    assert library < 1_500_000
    assert (book / "_static/vega/LICENSE.txt").is_file()
    scripts = {path.stem for path in (book / "_static/explorer").iterdir()}
    assert scripts == {*FLOWS, "index"}
    for path in (book / "_static/explorer").iterdir():
        assert path.stat().st_size < 200_000
    with_vega = {p.name for p in book.glob("*/*.html") if "vega.min.js" in p.read_text()}
    assert with_vega == {"explorer.html", "idea.html"}
