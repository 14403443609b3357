"""A density through a map, the best density of grey levels, and the pull of a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _log_bell(z: Array) -> Array:
    return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)


def _log_density(x: Array, stretch: float) -> Array:
    """By differences of the distribution function, where the exercise uses the slope."""
    step = 1e-5
    ends = (stats.norm.cdf(np.sinh(stretch * (x + sign * step))) for sign in (1, -1))
    upper, lower = ends
    return np.log((upper - lower) / (2 * step))


def _pull(x: float, mean: float, log_deviation: float) -> Array:
    parameters = torch.tensor([mean, log_deviation], dtype=torch.float64, requires_grad=True)
    bell = torch.distributions.Normal(parameters[0], parameters[1].exp())
    bell.log_prob(torch.tensor(x, dtype=torch.float64)).backward()
    assert parameters.grad is not None  # noqa: S101
    return parameters.grad.numpy()


def _formula(x: float, mean: float, log_deviation: float) -> tuple[float, float]:
    standardised = (x - mean) / math.exp(log_deviation)
    return standardised / math.exp(log_deviation), standardised**2


def _bell_cases() -> Sequence[Case]:
    return [(0.0, 0.0, 0.0), (1.0, 0.0, 0.5), (-2.0, 0.5, -0.3), (3.0, 3.0, 1.0)]


def _image_cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(c, h, w, generator=generator),) for c, h, w in ((1, 4, 4), (3, 8, 6))]


def _unordered(image: Tensor) -> Tensor:
    channels, height, width = image.shape
    return image.reshape(4 * channels, height // 2, width // 2)


def _quarters(image: Tensor) -> Tensor:
    top, bottom = image.chunk(2, dim=1)
    parts = [*top.chunk(2, dim=2), *bottom.chunk(2, dim=2)]
    return torch.stack(parts, dim=1).flatten(0, 1)


EXERCISES = {
    "log_density": Exercise(
        truth=_log_density,
        cases=lambda: [(np.linspace(-1.0, 1.0, 9), s) for s in (0.5, 1.0, 2.0)],
        mistakes={
            "the density of z is right, but the stretch of space is missing: add the logarithm of "
            "the map's slope.": lambda x, stretch: _log_bell(np.sinh(stretch * x)),
            "the logarithm of the slope is subtracted, but where the map is steep much of the "
            "bell's mass falls into a small step of x: the density there is high.": (
                lambda x, stretch: (
                    _log_bell(np.sinh(stretch * x)) - np.log(stretch * np.cosh(stretch * x))
                )
            ),
            "the slope of sinh(a x) is a cosh(a x); the inner derivative a is missing.": (
                lambda x, stretch: _log_bell(np.sinh(stretch * x)) + np.log(np.cosh(stretch * x))
            ),
        },
        tolerance=1e-3,
    ),
    "pull": Exercise(
        truth=_pull,
        cases=_bell_cases,
        mistakes={
            "the pull on the spread lacks its -1: it comes from the term -log(deviation), and a "
            "point nearer than one deviation must pull the spread down.": (
                lambda *a: np.array(_formula(*a))
            ),
            "this is the gradient of the negative log-density: the signs are the other way "
            "round.": lambda *a: -_pull(*a),
            "the pull on the mean is (x - mean) over the variance; here it is over the "
            "deviation.": (
                lambda *a: np.array([_formula(*a)[0] * math.exp(a[2]), _formula(*a)[1] - 1])
            ),
        },
    ),
    "squeeze": Exercise(
        truth=lambda image: torch.nn.functional.pixel_unshuffle(image, 2),
        cases=_image_cases,
        mistakes={
            "the shape is right, but a channel must hold one pixel of each 2×2 square; a plain "
            "reshape cuts rows in pieces.": _unordered,
            "the channels are the four quarters of the image; each is to be the whole image at "
            "half the resolution.": _quarters,
        },
    ),
}
