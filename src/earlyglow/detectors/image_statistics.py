"""The control without any flow: a few statistics of the picture alone."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from earlyglow.checks import require_whole
from earlyglow.datasets.dequantization import quantize
from earlyglow.detectors.base import Images, StatisticsDetector, fitted
from earlyglow.detectors.groups import mean_of_groups
from earlyglow.detectors.input_complexity import compressed_bits
from earlyglow.detectors.joint_readings import shrunk_whitening
from earlyglow.image_checks import require_finite, require_tensor

_FLOOR = 1e-6
_BLOCKS = (1, 2, 4, 8)

IMAGE_STATISTICS = (
    "log PNG bytes",
    "mean",
    "log deviation",
    "red less green",
    "yellow less blue",
    "log colourfulness",
    *(f"log {way} energy, blocks of {b}" for b in _BLOCKS for way in ("horizontal", "vertical")),
)


class ImageStatisticsDetector(StatisticsDetector):
    """Squared Mahalanobis distance of fourteen statistics of a picture, under a shrunk covariance.

    No flow and no gradient: a score that detects no better than this one has shown nothing about
    flows. Statistics are averaged over a group, standardised by the fit groups, and those that are
    constant there, as the colours of grey pictures, are left out.

    Args:
        group_size: images in a group.

    Raises:
        ValueError: when fitting, there are fewer than 2 groups or no statistic varies; when
            scoring, the images have another shape than those it was fitted on.
        RequiresFittingException: when scoring before fitting.
    """

    requires_fit = True

    def __init__(self, group_size: int = 1) -> None:
        require_whole("group_size", group_size, 1)
        self.group_size = group_size
        self._fitted_to: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
        self._shape: torch.Size | None = None

    def fit(self, data: Images) -> Self:
        statistics = []
        for x in self._whole_groups(data):
            statistics.append(self.statistics(x))
            self._shape = x.shape[1:]
        return self.fit_from_statistics(torch.cat(statistics))

    def _scores(self, x: Tensor) -> Tensor:
        # The size of a file and the differences of neighbouring pixels depend on the image's size.
        if self._shape not in (None, x.shape[1:]):
            raise ValueError(
                f"the images are {_sides(x.shape[1:])}, but the detector was fitted on images of "
                f"{_sides(self._shape)}; bring both to one shape, as ImageSet.matched_to does."
            )
        return super()._scores(x)

    def statistics(self, x: Tensor) -> Tensor:
        return mean_of_groups(image_statistics(x), self.group_size)

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        self._require_two_groups(statistics)
        deviation, mean = torch.std_mean(statistics, dim=0)
        varies = deviation > 1e-9
        if not varies.any():
            raise ValueError("all fit images look alike; give images that differ.")
        standardised = (statistics - mean)[:, varies] / deviation[varies]
        self._fitted_to = varies, mean, deviation, shrunk_whitening(standardised)
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        varies, mean, deviation, whitening = fitted(self._fitted_to)
        z = (statistics.to(mean) - mean)[:, varies] / deviation[varies]
        return (z @ whitening).square().sum(1)

    def _on_device(self, x: Tensor) -> Tensor:
        require_tensor(x)
        require_finite(x)
        if not x.is_floating_point():
            raise TypeError(
                f"the images have dtype {x.dtype}, but floating-point images in [-0.5, 0.5) are "
                "needed; pass them through earlyglow.dequantize first."
            )
        return x

    def _require_fitted(self) -> None:
        fitted(self._fitted_to)


def _sides(shape: torch.Size) -> str:
    return "×".join(map(str, shape))


def image_statistics(x: Tensor) -> Tensor:
    """The statistics (N, 14) of ``IMAGE_STATISTICS``, float64, on the CPU.

    Args:
        x: (N, C, H, W) with C = 1 or 3, as :func:`earlyglow.dequantize` gives them: the grey level
            is recovered, and all statistics are of levels in [0, 1].
    """
    pixels = quantize(x).cpu().double() / 255.0
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    red, green, blue = pixels.unbind(1)
    grey = pixels.mean(1, keepdim=True)
    colourfulness = (pixels.amax(1) - pixels.amin(1)).flatten(1).mean(1)
    columns = [
        torch.log(compressed_bits(x) / 8.0),
        grey.flatten(1).mean(1),
        _log(grey.flatten(1).std(1, correction=0)),
        (red - green).flatten(1).mean(1),
        ((red + green) / 2.0 - blue).flatten(1).mean(1),
        _log(colourfulness),
    ]
    for block in _BLOCKS:
        coarse = F.avg_pool2d(grey, min(block, *grey.shape[2:]))
        columns += [_log(_energy(coarse, dim)) for dim in (3, 2)]
    return torch.stack(columns, dim=1)


def _energy(images: Tensor, dim: int) -> Tensor:
    """Mean squared difference (N,) of neighbours along a dimension of (N, 1, H, W)."""
    if images.shape[dim] < 2:
        return images.new_zeros(len(images))
    return images.diff(dim=dim).square().flatten(1).mean(1)


def _log(values: Tensor) -> Tensor:
    return torch.log(values + _FLOOR)
