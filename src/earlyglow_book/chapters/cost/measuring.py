"""Time, memory and operations of a few contenders that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from earlyglow.gradients.memory import TensorMemory


@dataclass(frozen=True)
class Contender:
    """Something to be measured.

    Attributes:
        name: what it is.
        images: how many images one call handles.
        call: does the work.
    """

    name: str
    images: int
    call: Callable[[], object]


def interleaved_times(contenders: Sequence[Contender], repetitions: int) -> pd.DataFrame:
    """Seconds of every call: each contender once in each round, after a round to warm up.

    Returns:
        Columns contender, images, repetition, seconds.
    """
    rows = []
    for repetition in range(-1, repetitions):
        for contender in contenders:
            seconds = _seconds(contender.call)
            if repetition >= 0:
                rows.append((contender.name, contender.images, repetition, seconds))
    return pd.DataFrame(rows, columns=["contender", "images", "repetition", "seconds"])


def peak_memory(contenders: Iterable[Contender]) -> pd.DataFrame:
    """Most bytes of tensors that a call held at once, weights and images not counted.

    Returns:
        Columns contender, images, bytes.
    """
    rows = []
    for contender in contenders:
        with TensorMemory() as memory:
            contender.call()
        rows.append((contender.name, contender.images, memory.peak))
    return pd.DataFrame(rows, columns=["contender", "images", "bytes"])


def operations(contenders: Iterable[Contender]) -> pd.DataFrame:
    """Floating-point operations of the matrix products and convolutions of a call.

    Returns:
        Columns contender, images, operations.
    """
    rows = []
    for contender in contenders:
        with FlopCounterMode(display=False) as counter:
            contender.call()
        rows.append((contender.name, contender.images, counter.get_total_flops()))
    return pd.DataFrame(rows, columns=["contender", "images", "operations"])


def product_times(size: int, repetitions: int) -> pd.DataFrame:
    """Seconds of square matrix products, the machine's best case for either precision.

    Returns:
        Columns precision, operations, repetition, seconds.
    """
    rows = []
    for precision, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        factor = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
        _seconds(lambda factor=factor: factor @ factor)  # type: ignore[misc]
        for repetition in range(repetitions):
            seconds = _seconds(lambda factor=factor: factor @ factor)  # type: ignore[misc]
            rows.append((precision, 2 * size**3, repetition, seconds))
    return pd.DataFrame(rows, columns=["precision", "operations", "repetition", "seconds"])


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
