"""The first picture of the idea moves in a page opened from a file, and shows the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scipy import optimize, stats

PAGE = "notebooks/idea.html"
ORANGE = "#D55E00"
HALF, REACH, HIGHEST = 0.2, 3, 0.42 * 3
pytestmark = pytest.mark.xdist_group("book")


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, book: Path, browser: Browser) -> Iterator[Page]:
    """The chapter without a network; no console error, no request but for the book's files."""
    width = {"width": request.param, "height": 900}
    context = browser.new_context(viewport=width, offline=True)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda m: problems.append(m.text) if m.type != "log" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda r: None if r.url.startswith("file:") else problems.append(r.url))
    opened.goto(f"file://{book / PAGE}", wait_until="load")
    opened.wait_for_selector("#moving-density .density-chart path")
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 1
    assert problems == []
    context.close()


def the_map(x: float, slope: float, bend: float) -> float:
    """The solution of sinh(bend z) / bend = slope x, without its closed form."""
    if bend == 0:
        return slope * x
    return float(optimize.brentq(lambda z: np.sinh(bend * z) / bend - slope * x, -50, 50))


def settings(page: Page) -> tuple[float, float, float]:
    names = ("slope", "bend", "point")
    slope, bend, point = (float(page.locator(f"#density-{n}").input_value()) for n in names)
    return slope, bend, point


def said(page: Page) -> list[float]:
    """The numbers of the announced sentence."""
    text = page.locator("#moving-density output").inner_text()
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def slice_area(page: Page, place: int, across: float, up: float) -> float:
    """The area of a drawn orange slice in the units of its axes, which are so long."""
    chart = page.locator(".density-chart").nth(place)
    frame = chart.locator("path.background").first.get_attribute("d") or ""
    width, height = (float(re.findall(rf"{way}([\d.]+)", frame)[0]) for way in "hv")
    drawn = chart.locator(f'path[fill="{ORANGE}"]').get_attribute("d") or ""
    x, y = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", drawn), float).T
    pixels = abs(np.sum(x * np.roll(y, 1) - y * np.roll(x, 1))) / 2
    return float(pixels * across / width * up / height)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("slope", ["Home"]),
        ("slope", ["End"]),
        ("bend", ["Home"]),
        ("bend", ["End", "ArrowLeft"]),
        ("point", ["ArrowRight", "ArrowRight"]),
        ("point", ["Home"]),
    ],
)
def test_each_slider_moves_by_keyboard(name: str, keys: list[str], page: Page) -> None:
    before = settings(page), said(page), page.locator("#moving-density svg").all_inner_texts()
    curves = page.locator("#moving-density path").evaluate_all("all => all.map(p => p.outerHTML)")
    page.locator(f"#density-{name}").focus()
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(150)
    slope, bend, point = settings(page)
    assert (slope, bend, point) != before[0]
    assert curves != page.locator("#moving-density path").evaluate_all(
        "all => all.map(p => p.outerHTML)"
    )
    x, z, steep, base, again, density, tall, wide = said(page)
    step = 1e-4
    rise = the_map(point + step, slope, bend) - the_map(point - step, slope, bend)
    assert (x, tall) == (pytest.approx(point), 2 * HALF)
    assert z == pytest.approx(the_map(point, slope, bend), abs=0.006)
    assert steep == again == pytest.approx(rise / (2 * step), abs=6e-4)
    assert base == pytest.approx(stats.norm.pdf(the_map(point, slope, bend)), abs=6e-4)
    assert density == pytest.approx(base * steep, abs=3e-3)
    ends = [
        optimize.brentq(lambda x, e=end: the_map(x, slope, bend) - e, -60, 60)
        for end in (the_map(point, slope, bend) + HALF, the_map(point, slope, bend) - HALF)
    ]
    assert wide == pytest.approx(ends[0] - ends[1], abs=0.006)


def test_the_slice_has_the_same_area_before_and_after_the_map(page: Page) -> None:
    for name, key in (("slope", "ArrowRight"), ("bend", "Home"), ("point", "ArrowLeft")):
        page.locator(f"#density-{name}").press(key)
        page.wait_for_timeout(150)
        slope, bend, point = settings(page)
        z = the_map(point, slope, bend)
        mass = stats.norm.cdf(z + HALF) - stats.norm.cdf(z - HALF)
        assert slice_area(page, 0, 0.45, 2 * REACH) == pytest.approx(mass, rel=0.02)
        assert slice_area(page, 2, 2 * REACH, HIGHEST) == pytest.approx(mass, rel=0.02)


def test_the_numbers_behind_are_in_a_table(page: Page) -> None:
    page.locator("#moving-density summary").press("Enter")
    slope, bend, _ = settings(page)
    rows = page.locator("#moving-density tbody tr").all_inner_texts()
    assert len(rows) == 9
    for row in rows:
        x, z, _, steep, density = map(float, row.split("\t"))
        assert z == pytest.approx(the_map(x, slope, bend), abs=1e-3)
        assert density == pytest.approx(stats.norm.pdf(z) * steep, abs=2e-3)


def test_without_scripts_there_is_the_still_picture(book: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{book / PAGE}")
    assert page.locator(".tag_still-picture img").is_visible()
    assert not page.locator("#moving-density").inner_text()
    context.close()


def test_on_paper_there_is_the_still_picture_alone(page: Page) -> None:
    still = page.locator(".tag_still-picture img")
    assert not still.is_visible()
    page.emulate_media(media="print")
    assert still.is_visible()
    assert not page.locator("#moving-density").is_visible()
