"""Where files that can be made again are kept, and how files are written without half-states."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The user's cache folder, or ``$EARLYGLOW_CACHE`` where it is set."""
    chosen = os.environ.get("EARLYGLOW_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("earlyglow")


def _umask() -> int:
    """The permissions that new files shall not have; it can only be read by setting it."""
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes ``path`` if the block succeeds.

    A reader sees the old file or the new one, never a part; after a kill, only a stray temporary
    file is left, which no reader looks at.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # A temporary file is the writer's alone; a cache may be shared.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
