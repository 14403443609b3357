"""Time, memory and operations of a few contenders that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from earlyglow.flows import Flow
from earlyglow.gradients.memory import TensorMemory

# Of the images that are convolved to find out how fast the machine can be.
_SIDE = 16


@dataclass(frozen=True)
class Contender:
    """What is measured: its name, how many images one call handles, and the call."""

    name: str
    images: int
    call: Callable[[], object]


def perturbed(flow: Flow, seed: int = 0) -> Flow:
    """The flow, moved away from its zero-initialised start, so that no gradient vanishes."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in flow.parameters():
        parameter.data += 0.01 * torch.randn(parameter.shape, generator=generator)
    return flow.eval()


def interleaved_times(contenders: Sequence[Contender], repetitions: int) -> pd.DataFrame:
    """Seconds of every call: each contender once in each repetition, after one to warm up."""
    rows = []
    for repetition in range(-1, repetitions):
        for contender in contenders:
            seconds = _seconds(contender.call)
            if repetition >= 0:
                rows.append((contender.name, contender.images, repetition, seconds))
    return pd.DataFrame(rows, columns=["contender", "images", "repetition", "seconds"])


def peak_memory(contenders: Iterable[Contender]) -> pd.DataFrame:
    """Most bytes of tensors that a call held at once, weights and images not counted."""
    return _counted(contenders, "bytes", TensorMemory, lambda memory: memory.peak)


def operations(contenders: Iterable[Contender]) -> pd.DataFrame:
    """Floating-point operations of the matrix products and convolutions of a call."""
    counter = partial(FlopCounterMode, display=False)
    return _counted(contenders, "operations", counter, FlopCounterMode.get_total_flops)


def product_times(size: int, repetitions: int) -> pd.DataFrame:
    """Seconds of square matrix products and of 3x3 convolutions, the machine's best cases.

    The two come from different libraries, and which is the faster one depends on the processor.
    """
    generator, channels = torch.Generator().manual_seed(0), size // 2
    factor = torch.randn(size, size, generator=generator)
    images = torch.randn(4, channels, _SIDE, _SIDE, generator=generator)
    kernels = torch.randn(channels, channels, 3, 3, generator=generator)
    rows = []
    for precision, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        same, x, weight = (tensor.to(dtype) for tensor in (factor, images, kernels))
        best_cases = {
            "matrix product": (partial(torch.matmul, same, same), 2 * size**3),
            "convolution": (partial(F.conv2d, x, weight, padding=1), 18 * channels * x.numel()),
        }
        for work, (call, count) in best_cases.items():
            call()
            for repetition in range(repetitions):
                rows.append((precision, work, count, repetition, _seconds(call)))
    return pd.DataFrame(rows, columns=["precision", "work", "operations", "repetition", "seconds"])


def _counted(
    contenders: Iterable[Contender],
    column: str,
    counter: Callable[[], Any],
    count: Callable[[Any], int],
) -> pd.DataFrame:
    """What a counter, entered anew for each contender, has counted after one call."""
    rows = []
    for contender in contenders:
        with counter() as counting:
            contender.call()
        rows.append((contender.name, contender.images, count(counting)))
    return pd.DataFrame(rows, columns=["contender", "images", column])


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
