"""The weights of a dense network, and the gradient of a weight that is used many times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _sizes() -> Sequence[Case]:
    return [(3, 5, 1, 2), (8, 7, 2, 16), (10, 20, 4, 10)]


def _network(inputs: int, hidden: int, layers: int, outputs: int) -> int:
    widths = [inputs, *[hidden] * layers, outputs]
    return sum(p.numel() for one in pairwise(widths) for p in nn.Linear(*one).parameters())


def _weights_alone(inputs: int, hidden: int, layers: int, outputs: int) -> int:
    return inputs * hidden + (layers - 1) * hidden**2 + hidden * outputs


def _uses() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=shape),) for shape in ((2, 3, 4), (10, 5, 1), (3, 1, 6))]


def _by_autograd(by_use: Array) -> Array:
    """The squared norm of the gradient of a weight that enters once for each use."""
    slopes = torch.as_tensor(by_use)
    norms = []
    for image in range(slopes.shape[1]):
        weight = torch.zeros(slopes.shape[2], dtype=torch.float64, requires_grad=True)
        output = torch.stack([slope @ weight for slope in slopes[:, image]]).sum()
        (gradient,) = torch.autograd.grad(output, weight)
        norms.append(gradient.square().sum().item())
    return np.array(norms)


EXERCISES = {
    "dense_weights": Exercise(
        truth=_network,
        cases=_sizes,
        mistakes={
            "the biases are missing: each unit has one.": _weights_alone,
            "there is one map too many between hidden layers: between four layers there are "
            "three.": lambda inputs, hidden, layers, outputs: _network(
                inputs, hidden, layers + 1, outputs
            ),
            "the maps between hidden layers are missing.": (
                lambda inputs, hidden, layers, outputs: _network(inputs, hidden, 1, outputs)
            ),
        },
    ),
    "shared_norm": Exercise(
        truth=_by_autograd,
        cases=_uses,
        mistakes={
            "the squared norms of the uses are added up; the gradients are to be added first, and "
            "may cancel.": lambda by_use: (by_use**2).sum((0, 2)),
            "this is the norm; the squared norm is asked for.": (
                lambda by_use: np.sqrt((by_use.sum(0) ** 2).sum(-1))
            ),
            "the mean over the uses is taken; a shared weight's gradient is their sum.": (
                lambda by_use: (by_use.mean(0) ** 2).sum(-1)
            ),
        },
    ),
}
