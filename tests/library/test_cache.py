"""Files of the cache are written whole, and for everybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from earlyglow.cache import atomic_path


def test_a_file_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with atomic_path(tmp_path / "shared") as temporary:
            temporary.write_text("images")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o644


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    def write_half(path: Path) -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
