"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No progress bars: pytest's captured output is not a terminal, a developer's may be."""
    monkeypatch.setenv("EARLYGLOW_PROGRESS", "0")
