"""A plugin for nbval: its kernels listen on files, as those of `earlyglow run` do.

Two workers that start kernels at once are now and then given the same port, and one kernel dies.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

import nbval.kernel
from jupyter_client.manager import KernelManager

from earlyglow_book.notebooks import kernel_sockets


def _manager(**values: object) -> KernelManager:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return KernelManager(config=kernel_sockets(Path(folder)), **values)


# Cells of nbval know no fixtures.
nbval.kernel.KernelManager = _manager
