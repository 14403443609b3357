"""Progress bars: on a terminal and in a live notebook, silent everywhere else."""

from __future__ import annotations

import os
import sys

from tqdm import tqdm


def progress_bar(total: int, description: str, unit: str, initial: int = 0) -> tqdm:
    """A bar that shows the rate and the time left.

    It is silent where nobody watches (a pipe, a log file) and where ``EARLYGLOW_PROGRESS`` is 0.
    """
    watched = sys.stderr.isatty() or _in_live_notebook()
    silent = not watched or os.environ.get("EARLYGLOW_PROGRESS") == "0"
    return tqdm(
        total=total, desc=description, unit=unit, initial=initial, disable=silent, leave=False
    )


def _in_live_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
