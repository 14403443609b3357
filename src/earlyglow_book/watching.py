"""What an executing notebook is at, said every few seconds."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 5.0


@contextmanager
def watched(executed: Path, progress: Path) -> Iterator[None]:
    """Say inside which cell runs and how far its work is: on a terminal, or as lines.

    As for progress bars, ``EARLYGLOW_PROGRESS`` is 0 where nothing shall be said, and "lines" where
    it shall be said though nobody watches.

    Args:
        executed: the notebook, which papermill writes at the beginning of each cell.
        progress: where the kernel's progress bar lies, if there is one.
    """
    mode, on_terminal = os.environ.get("EARLYGLOW_PROGRESS"), sys.stderr.isatty()
    if mode == "0" or not (on_terminal or mode == "lines"):
        yield
        return
    over = threading.Event()

    def say() -> None:
        while not over.wait(_SECONDS):
            line = state(executed, progress)
            shown = f"\r{line[:79]:79}" if on_terminal else f"{line}\n"
            print(shown, end="", file=sys.stderr, flush=True)

    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join()
        if on_terminal:
            print(f"\r{'':79}\r", end="", file=sys.stderr, flush=True)


def state(executed: Path, progress: Path) -> str:
    """The cell that runs, under its heading, and how far it is."""
    try:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError):
        # Not written yet, or just being written.
        return "the notebook's kernel starts"
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    running = [cell for cell in code if _status(cell) == "running"]
    if not running:
        done = sum(_status(cell) == "completed" for cell in code)
        return f"{done} of {len(code)} cells are done"
    number, heading = code.index(running[-1]) + 1, ""
    for cell in cells[: cells.index(running[-1])]:
        found = re.findall(r"^#+ (.+)$", "".join(cell["source"]), re.MULTILINE)
        heading = found[-1] if found and cell["cell_type"] == "markdown" else heading
    try:
        bar = progress.read_text(encoding="utf-8")
    except OSError:
        bar = ""
    return f"cell {number} of {len(code)}: {heading}" + (f"; {bar}" if bar else "")


def _status(cell: dict) -> str:
    return str(cell["metadata"].get("papermill", {}).get("status"))
