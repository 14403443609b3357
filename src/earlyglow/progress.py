"""Progress bars: on a terminal and in a live notebook, silent everywhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

# Between two lines where nobody watches.
_SECONDS = 5.0


def progress_bar(total: int, description: str, unit: str, initial: int = 0) -> tqdm:
    """A bar that shows the rate and the time left.

    It is silent where nobody watches (a pipe, a log file), where ``EARLYGLOW_PROGRESS`` is 0, and
    in all but the first of several processes that ``torchrun`` started. Where it is "lines" and
    nobody watches, a line is written every few seconds; where it is "file:" and a path, the file
    holds the bar as it stands.
    """
    mode = os.environ.get("EARLYGLOW_PROGRESS", "")
    watched = sys.stderr.isatty() or _in_live_notebook()
    is_other = os.environ.get("RANK", "0") != "0"
    in_file = mode.startswith("file:")
    options: dict[str, Any] = {
        "disable": is_other or mode == "0" or not (watched or in_file or mode == "lines")
    }
    if in_file:
        place = Path(mode.removeprefix("file:"))
        options |= {"file": _InFile(place), "mininterval": 1.0, "ncols": 76}
    elif mode == "lines" and not watched:
        options |= {"file": _Lines(), "mininterval": _SECONDS, "delay": _SECONDS, "ncols": 76}
    return tqdm(total=total, desc=description, unit=unit, initial=initial, leave=False, **options)


class _Lines:
    """What tqdm draws over and over on one line, as a line each time."""

    def write(self, text: str) -> None:
        line = text.replace("\r", "").strip()
        if line:
            print(line, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


class _InFile:
    """What tqdm draws over and over on one line, as the text of a file."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def write(self, text: str) -> None:
        self._place.write_text(text.replace("\r", "").strip(), encoding="utf-8")

    def flush(self) -> None:
        pass


def _in_live_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
