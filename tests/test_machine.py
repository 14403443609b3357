"""How many threads a run takes on a busy machine, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from earlyglow_book import machine


@pytest.fixture
def busy() -> Iterator[None]:
    """All processors have something else to do."""
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment says nothing of threads, and is restored."""
    for name in ("OMP_NUM_THREADS", "EARLYGLOW_THREADS"):
        monkeypatch.setenv(name, "1")
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_busy_machine_has_no_free_processor(busy: None) -> None:
    assert machine.free_processors(1.0) < 0.4 * (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("free", "threads"), [(0.1, "1"), (1.2, "1"), (2.6, "3"), (3.6, None), (4.0, None)]
)
def test_a_run_takes_the_free_processors(
    unasked: pytest.MonkeyPatch, free: float, threads: str | None
) -> None:
    """Of four; where all are free, or nearly, torch decides as always."""
    unasked.setattr(machine.os, "cpu_count", lambda: 4)
    unasked.setattr(machine, "free_processors", lambda: free)
    said = machine.leave_busy_processors()
    assert os.environ.get("OMP_NUM_THREADS") == threads
    assert (f"threads {threads} (--threads" in said) if threads else said == ""


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "EARLYGLOW_THREADS"])
def test_whoever_asked_for_threads_has_them(unasked: pytest.MonkeyPatch, name: str) -> None:
    unasked.setenv(name, "2")
    unasked.setattr(machine, "free_processors", lambda: 0.0)
    assert machine.leave_busy_processors() == ""
    assert os.environ[name] == "2"


def test_threads_of_the_book_sleep_while_they_wait() -> None:
    """Where nobody says otherwise; torch is not loaded by then."""
    code = (
        "import os, sys, earlyglow_book;print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    )
    told = {**os.environ, "GOMP_SPINCOUNT": "7"}
    untold = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for environment, wanted in ((told, "7 False"), (untold, "2000 False")):
        found = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert found.stdout.strip() == wanted
