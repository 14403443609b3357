"""How many threads a call takes: small work is faster on one, above all on a busy machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Below so many numbers in a batch of images a second thread brings nothing on an idle machine and
# costs up to 1.6 times on a busy one (a Glow of 8x8 images; see benchmarks/threads.py).
_SMALL = 40_000


def threads_wanted(numbers: int) -> int:
    """Threads for a call that works on batches of so many numbers.

    ``EARLYGLOW_THREADS`` decides where it is set; else small work takes one, and larger work as
    many as torch has. The rule looks at the work alone, so that a call gives the same numbers on
    an idle and on a busy machine.

    Args:
        numbers: in one batch of images.

    Raises:
        ValueError: ``EARLYGLOW_THREADS`` is no whole number of at least 1.
    """
    asked = os.environ.get("EARLYGLOW_THREADS", "")
    if asked:
        if not asked.isdecimal() or int(asked) < 1:
            raise ValueError(
                f"EARLYGLOW_THREADS is {asked!r}, but it must be a whole number of at least 1."
            )
        return int(asked)
    return 1 if numbers < _SMALL else torch.get_num_threads()


@contextmanager
def threads_for(numbers: int) -> Iterator[None]:
    """Torch has :func:`threads_wanted` inside, and as many as before afterwards."""
    with threads(threads_wanted(numbers)):
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch has so many threads inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
