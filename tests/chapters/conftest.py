"""What the tests of chapters share: one cache for a whole run, no images but the embedded ones."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def one_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(home))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.delenv("EARLYGLOW_RESULTS", raising=False)
