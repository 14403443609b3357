"""What a process may still allocate, under the limits of its control groups."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from earlyglow.gradients import memory

CPU = torch.device("cpu")
MEBIBYTE = 2**20


def group(folder: Path, limit: str, used: int, files: int, names: tuple[str, str]) -> None:
    """A control group that uses so many mebibytes, part of them for files that can go."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used * MEBIBYTE}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {files * MEBIBYTE}\n")


@pytest.mark.parametrize("controllers", ["", "memory"])
def test_the_tightest_control_group_counts(
    controllers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of 8 MiB with 5 MiB in use, 2 of them files, inside of a user's 100 MiB."""
    _, *names = memory._GROUP_FILES[controllers]
    monkeypatch.setitem(memory._GROUP_FILES, controllers, (tmp_path, *names))
    own = tmp_path / "cgroup"
    own.write_text(f"12:pids:/elsewhere\n7:{controllers}:/user/job/step\n")
    monkeypatch.setattr(memory, "_OWN_GROUPS", own)
    no_limit = "max" if not controllers else str(2**63 - 4096)
    group(tmp_path, no_limit, 500, 0, tuple(names))
    group(tmp_path / "user", str(100 * MEBIBYTE), 50, 0, tuple(names))
    group(tmp_path / "user/job", str(8 * MEBIBYTE), 5, 2, tuple(names))
    group(tmp_path / "user/job/step", no_limit, 5, 2, tuple(names))
    assert memory.free_bytes(CPU) == 5 * MEBIBYTE


def test_without_control_groups_the_machine_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "none")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 7}))
    assert memory.free_bytes(CPU) == 7
