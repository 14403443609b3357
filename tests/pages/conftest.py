"""A book that is built once, and a browser, for all tests of pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HTML folder of a book built without data; that the notebooks run, nbval tests."""
    output = tmp_path_factory.mktemp("book")
    environment = {**os.environ, "EARLYGLOW_CACHE": str(output / "cache"), "HOME": str(output)}
    environment.pop("EARLYGLOW_DATA", None)
    built = subprocess.run(
        [sys.executable, str(ROOT / "book/build.py"), "--as-committed", "--output", str(output)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert f"Open {output}/_build/html/index.html" in built.stdout
    return output / "_build" / "html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Read when Playwright starts: where tests/install_browser.sh puts Playwright's own browser.
    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = str(ROOT / ".venv/browser/playwright")
    with sync_playwright() as playwright:
        options: dict[str, object] = {"args": ["--no-sandbox", "--disable-background-networking"]}
        unpacked = ROOT / ".venv/browser/unpacked"
        chromium = unpacked / "usr/lib/chromium/chromium"
        names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        installed = next((path for name in names if (path := shutil.which(name))), None)
        if installed:
            options["executable_path"] = installed
        elif chromium.is_file():
            options["executable_path"] = str(chromium)
            folders = [
                *unpacked.glob("usr/lib/*-linux-gnu"),
                *unpacked.glob("usr/lib/*/pulseaudio"),
            ]
            options["env"] = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}
        instance = playwright.chromium.launch(**options)
        yield instance
        instance.close()
