"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No progress bars: pytest's captured output is not a terminal, a developer's may be."""
    monkeypatch.setenv("EARLYGLOW_PROGRESS", "0")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests of a process: Playwright cannot be started twice in it."""
    # Imported late: the library's tests run without a browser.
    from tools.headless import headless_browser

    with headless_browser() as instance:
        yield instance
