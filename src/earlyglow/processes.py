"""Several processes at one piece of work, as ``torchrun`` starts them; alone, nothing changes."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """This process among those that ``torchrun`` started together.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def part(self, length: int, multiple: int = 1) -> slice:
        """This process's rows of ``length``; every part begins at a multiple of ``multiple``."""
        blocks = length // multiple
        start, end = (blocks * number // self.count for number in (self.rank, self.rank + 1))
        return slice(start * multiple, length if self.rank + 1 == self.count else end * multiple)

    def add_up(self, tensors: Sequence[Tensor], weight: float) -> None:
        """Replace each tensor by the sum over all processes of theirs times their weight."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]) * weight
        torch.distributed.all_reduce(flat)
        sums = flat.split([tensor.numel() for tensor in tensors])
        for tensor, total in zip(tensors, sums, strict=True):
            tensor.copy_(total.view_as(tensor))

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            torch.distributed.barrier()

    def collect(self, value: Any) -> list[Any]:
        """What each process gives, by rank."""
        if self.count == 1:
            return [value]
        values = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values


@functools.cache
def joined() -> Processes:
    """The processes that ``torchrun`` started, connected; without it, this one alone.

    With GPUs each process takes the one of its number on its machine, and they talk by NCCL; else
    by gloo.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["WORLD_SIZE"] == "1":
        return Processes()
    import torch.distributed

    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, count = next(torch.distributed.rendezvous("env://"))
    # Processes that are started again must not read the addresses of those that died.
    attempt = f"attempt {os.environ['TORCHELASTIC_RESTART_COUNT']}"
    torch.distributed.init_process_group(
        "nccl" if has_gpu else "gloo",
        store=torch.distributed.PrefixStore(attempt, store),
        rank=rank,
        world_size=count,
    )
    atexit.register(torch.distributed.destroy_process_group)
    return Processes(rank, count)


def spread(
    function: Callable[[Tensor], Sequence[Tensor]], x: Tensor, multiple: int = 1
) -> list[Tensor]:
    """``function(x)``, each process computing its part of the images; all get the whole.

    Args:
        function: takes images (n, ...) to tensors whose rows follow the images.
        x: images (N, ...), the same in every process.
        multiple: every part but the last is a multiple of so many images: the least common
            multiple of the group sizes, where rows stand for groups.

    Examples:
        >>> spread(lambda part: [part + 1, part * 2], torch.arange(3))
        [tensor([1, 2, 3]), tensor([0, 2, 4])]
    """
    processes = joined()
    if processes.count == 1:
        return list(function(x))
    part = x[processes.part(len(x), multiple)]
    rows = [column.cpu() for column in function(part)] if len(part) else None
    columns = zip(*(found for found in processes.collect(rows) if found), strict=True)
    return [torch.cat(column).to(x.device) for column in columns]
