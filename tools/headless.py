"""A headless browser: one that is installed, or the one that tools/install_browser.sh unpacked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parents[1] / ".venv" / "browser"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def headless_browser() -> Iterator[Browser]:
    """Chromium without a window, closed afterwards."""
    # Read when Playwright starts.
    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = str(FOLDER / "playwright")
    with sync_playwright() as playwright:
        options: dict[str, object] = {"args": ["--no-sandbox", "--disable-background-networking"]}
        unpacked = FOLDER / "unpacked"
        chromium = unpacked / "usr/lib/chromium/chromium"
        installed = next((path for name in _NAMES if (path := shutil.which(name))), None)
        if installed:
            options["executable_path"] = installed
        elif chromium.is_file():
            options["executable_path"] = str(chromium)
            libraries = [
                *unpacked.glob("usr/lib/*-linux-gnu"),
                *unpacked.glob("usr/lib/*/pulseaudio"),
            ]
            options["env"] = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()
