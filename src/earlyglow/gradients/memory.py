"""How much memory a backward pass keeps for each image, and how much of it there is."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

_MARGIN = 1.25
_OWN_GROUPS = Path("/proc/self/cgroup")
# By controllers, as Linux names them in version 2 and in version 1: where the groups lie, and the
# files of their limit and of what they use.
_GROUP_FILES = {
    "": (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    "memory": (
        Path("/sys/fs/cgroup/memory"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
    ),
}


class TensorMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that are made inside of the context.

    What a library allocates within one operation is not seen.

    Attributes:
        live: bytes of those that still exist.
        peak: the largest ``live`` so far.

    Examples:
        >>> with TensorMemory() as memory:
        ...     kept, gone = torch.zeros(10), torch.zeros(20).sum()
        >>> memory.live, memory.peak
        (44, 124)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self,
        operation: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        for value in tree_iter((args, kwargs)):
            if isinstance(value, Tensor):
                self._see(value.untyped_storage(), 0)
        result = operation(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, Tensor):
                self._see(value.untyped_storage(), value.untyped_storage().nbytes())
        return result

    def _see(self, storage: torch.UntypedStorage, size: int) -> None:
        """Count a storage until it is freed, when its address may come again."""
        if storage._cdata in self._seen:
            return
        self._seen.add(storage._cdata)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, storage._cdata, size)

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size


@dataclass(frozen=True)
class Need:
    """Bytes of tensors that a call holds at its peak.

    Attributes:
        fixed: however many images there are.
        for_each: for each image on top.
    """

    fixed: int
    for_each: int

    def images_within(self, budget: int) -> int:
        """Images, at least 1, that take at most ``budget`` bytes together."""
        return max((budget - self.fixed) // self.for_each, 1)


def need_of(call: Callable[[Tensor], object], x: Tensor) -> Need:
    """The need of a call with images like ``x`` (N, ...), N at least 2.

    Measured with one image and with two. The groups' sums come on top, hence the margin.
    """
    one, two = (_peak(call, x[:n]) for n in (1, 2))
    for_each = max(two - one, 1)
    fixed = max(one - for_each, 0)
    return Need(fixed, int(_MARGIN * for_each) + 1)


def free_bytes(device: torch.device) -> int:
    """Bytes that this process can still allocate on a device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return min([psutil.virtual_memory().available, *_left_by_control_groups()])


def _left_by_control_groups() -> Iterator[int]:
    """Bytes that each control group leaves this process: a container's, or a queue's for a job."""
    if not _OWN_GROUPS.is_file():
        return
    for line in _OWN_GROUPS.read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers not in _GROUP_FILES:
            continue
        root, limit, usage = _GROUP_FILES[controllers]
        own_folder = root / own.lstrip("/")
        for folder in (own_folder, *own_folder.parents):
            if not folder.is_relative_to(root) or not (folder / limit).is_file():
                continue
            most = (folder / limit).read_text().strip()
            if most != "max":
                used = int((folder / usage).read_text()) - _reclaimable(folder)
                yield max(int(most) - used, 0)


def _reclaimable(folder: Path) -> int:
    """Bytes of files that a control group counts and gives back at once."""
    lines = (folder / "memory.stat").read_text().splitlines()
    return next(int(words[1]) for words in map(str.split, lines) if words[0] == "inactive_file")


def _peak(call: Callable[[Tensor], object], x: Tensor) -> int:
    with TensorMemory() as memory:
        call(x)
    return memory.peak
