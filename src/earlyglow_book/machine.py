"""What results are computed with: the code, the machine and its memory, and the software."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import psutil

import earlyglow as eg
from earlyglow_book.deferred import torch
from earlyglow_book.parameters import ParameterError
from earlyglow_book.places import CHECKOUT

_SOFTWARE = ("numpy", "pillow", "pytorch-ood", "scikit-learn", "scipy", "torch", "torchvision")
# Values of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def code_state() -> dict[str, str]:
    """The package's version and, in a checkout, the commit; a tree with changes says so."""
    state = {"version": eg.__version__}
    commit = _git("rev-parse", "HEAD")
    # A package that is installed inside of somebody else's checkout is not of that checkout.
    if commit is None or not (CHECKOUT / "src" / "earlyglow_book").is_dir():
        return state
    changed = _git("status", "--porcelain", "--", "src")
    return {**state, "commit": commit, "tree": "changed since the commit" if changed else "clean"}


def software() -> dict[str, str]:
    """Versions of Python and of the packages that decide on numbers."""
    versions = {name: importlib.metadata.version(name) for name in _SOFTWARE}
    return {"python": platform.python_version(), **versions}


def threads() -> dict[str, int]:
    """Threads that large and that small work take now, which decide how sums are rounded."""
    from earlyglow.threads import threads_wanted

    return {"threads": threads_wanted(sys.maxsize), "threads_of_small_work": threads_wanted(0)}


def free_processors(seconds: float = 0.3) -> float:
    """How many processors' worth of time nobody else takes, from watching for so long."""
    taken = psutil.cpu_percent(interval=seconds) / 100
    return (os.cpu_count() or 1) * (1 - taken)


def leave_busy_processors() -> str:
    """Let torch, which is not loaded yet, and all kernels take the free processors alone.

    A second thread that shares a processor with other work is waited for at every operation.

    Returns:
        What was decided, for the user; "" where nothing was: the machine is free, or the
        environment says how many threads there are.

    Raises:
        ParameterError: ``EARLYGLOW_THREADS`` is no number of threads.
    """
    asked = os.environ.get("EARLYGLOW_THREADS", "")
    if asked and not (asked.isdecimal() and int(asked)):
        raise ParameterError(
            f"EARLYGLOW_THREADS is {asked!r}, but it must be a whole number of at least 1."
        )
    count = os.cpu_count() or 1
    if count == 1 or {"OMP_NUM_THREADS", "EARLYGLOW_THREADS"} & set(os.environ):
        return ""
    free = max(1, round(free_processors()))
    if free >= count:
        return ""
    os.environ["OMP_NUM_THREADS"] = str(free)
    return f"of {count} processors {count - free} busy: threads {free} (--threads says otherwise)"


def device_name() -> str:
    """The accelerator where torch sees one, else :func:`processor_name`."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else processor_name()


def processor_name() -> str:
    """The processor's kind and model, and the threads of large work."""
    model = _processor_model()
    kind = f"{platform.machine()} CPU" + (f" ({model})" if model else "")
    return f"{kind}, {threads()['threads']} threads"


def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next allocation, where glibc is the C library.

    By default every large activation goes back to the system and comes again page by page: a tenth
    of the time of the gradient norms. The process then stays as large as it ever was.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 2**30)
        # Memory at the heap's end is never given back.
        libc.mallopt(_M_TRIM_THRESHOLD, -1)


def _processor_model() -> str:
    facts = Path("/proc/cpuinfo")
    text = facts.read_text(encoding="utf-8", errors="replace") if facts.is_file() else ""
    named = re.search(r"^model name[^:\n]*:(.*)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor()


def _git(*words: str) -> str | None:
    """What git says of the checkout; None where there is neither."""
    command = ["git", "-C", str(CHECKOUT), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
