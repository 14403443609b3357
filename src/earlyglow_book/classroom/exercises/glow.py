"""The actnorm's log-determinant, a coupling undone, and a dequantisation that keeps its input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earlyglow_book.classroom.checking import Case, Exercise


def _actnorm_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(c, generator=generator, dtype=torch.float64), h, w)
        for c, h, w in ((1, 2, 2), (3, 2, 4), (2, 5, 3))
    ]


def _actnorm_log_det(log_scale: Tensor, height: int, width: int) -> float:
    """The logarithm of the whole Jacobian's determinant, where the exercise adds up."""
    x = torch.zeros(len(log_scale), height, width, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: x * log_scale.exp()[:, None, None], x)
    return float(torch.linalg.slogdet(jacobian.reshape(x.numel(), x.numel()))[1])


def _coupling_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, 3), (4, 1), (5, 6)]
    return [tuple(torch.randn(4, *shape, generator=generator)) for shape in shapes]


def _undone(z1: Tensor, z2: Tensor, shift: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    return z1, z2 / torch.sigmoid(raw + 2) - shift


def _grey_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(2)
    sizes = ((2, 1, 4, 4), (3, 3, 2, 2))
    return [
        (torch.randint(0, 256, s, generator=generator).float(), torch.rand(s, generator=generator))
        for s in sizes
    ]


def _conv_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(3)
    return [
        (torch.randn(c, c, generator=generator, dtype=torch.float64), h, w)
        for c, h, w in ((1, 1, 1), (2, 3, 2), (4, 2, 2))
    ]


def _conv_log_det(matrix: Tensor, height: int, width: int) -> float:
    """As block-diagonal as it is: one copy of the matrix for each position."""
    blocks = torch.block_diag(*[matrix] * (height * width))
    return float(torch.linalg.slogdet(blocks)[1])


EXERCISES = {
    "actnorm_log_det": Exercise(
        truth=_actnorm_log_det,
        cases=_actnorm_cases,
        mistakes={
            "each channel's scale acts on every one of its pixels: the factor H·W is missing.": (
                lambda log_scale, height, width: log_scale.sum()
            ),
            "the scales of the channels multiply, so their logarithms are added, not averaged.": (
                lambda log_scale, height, width: height * width * log_scale.mean()
            ),
            "log_scale is a logarithm already; its exponentials are added here.": (
                lambda log_scale, height, width: height * width * log_scale.exp().sum()
            ),
        },
    ),
    "undo_coupling": Exercise(
        truth=_undone,
        cases=_coupling_cases,
        mistakes={
            "the steps are undone in the wrong order: what was done last, the scaling, is undone "
            "first.": lambda z1, z2, shift, raw: (z1, (z2 - shift) / torch.sigmoid(raw + 2)),
            "the 2 inside of the sigmoid is missing: with it, a network that says 0 scales by "
            "0.88, not by one half.": lambda z1, z2, shift, raw: (
                z1,
                z2 / torch.sigmoid(raw) - shift,
            ),
            "this does the coupling once more; the inverse divides by the scale and takes the "
            "shift away.": lambda z1, z2, shift, raw: (z1, (z2 + shift) * torch.sigmoid(raw + 2)),
        },
    ),
    "spread": Exercise(
        truth=lambda levels, noise: levels / 256 + noise / 256 - 0.5,
        cases=_grey_cases,
        mistakes={
            "the noise covers a 256th of a cell: levels and noise are both to be divided by 256, "
            "once.": lambda levels, noise: (levels + noise / 256) / 256 - 0.5,
            "the levels are divided by 255, so that level 255 with its noise lies above 0.5: there "
            "are 256 cells.": lambda levels, noise: (levels + noise) / 255 - 0.5,
            "the result lies in [0, 1): take one half away.": (
                lambda levels, noise: (levels + noise) / 256
            ),
        },
    ),
    "conv_log_det": Exercise(
        truth=_conv_log_det,
        cases=_conv_cases,
        mistakes={
            "the matrix acts at every position: the factor H·W is missing.": (
                lambda matrix, height, width: torch.linalg.slogdet(matrix)[1]
            ),
            "the determinant may be negative, and only its size counts: take the logarithm of its "
            "absolute value.": lambda matrix, height, width: (
                height * width * torch.log(torch.linalg.det(matrix))
            ),
        },
    ),
}
