"""A book that is built once for all tests of pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
