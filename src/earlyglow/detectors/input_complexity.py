"""The likelihood corrected by how well an ordinary compressor does."""

from __future__ import annotations

import io
from typing import Literal, Self, get_args

import torch
from PIL import Image
from torch import Tensor, nn

from earlyglow.checks import require_choice
from earlyglow.datasets.dequantization import quantize
from earlyglow.detectors.base import Images, StatisticsDetector
from earlyglow.detectors.groups import mean_log_prob, mean_of_groups
from earlyglow.flows import bits_per_dim

Compressor = Literal["png", "jpeg2000"]
_SETTINGS: dict[str, dict[str, object]] = {
    "png": {"format": "PNG", "optimize": True},
    "jpeg2000": {"format": "JPEG2000", "irreversible": False},
}


class InputComplexityDetector(StatisticsDetector):
    """Bits that the flow needs for an image, less the bits that a lossless compressor needs.

    ``-log2 P(x) - L(x)``, averaged over the group, in bits per image; P is the probability of the
    8-bit image. A smooth image is likely under any flow and short in any file: the difference
    asks whether the flow knows it better than that.

    Args:
        model: a flow with ``log_prob``.
        group_size: images in a group.
        compressor: "png" or "jpeg2000", both of Pillow and lossless.

    Source: Serrà et al., arXiv 1909.11480, section 3.
    """

    def __init__(
        self, model: nn.Module, group_size: int = 1, compressor: Compressor = "png"
    ) -> None:
        super().__init__(model, group_size)
        require_choice("compressor", compressor, get_args(Compressor))
        self.compressor = compressor

    def statistics(self, x: Tensor) -> Tensor:
        dims = x[0].numel()
        bits = bits_per_dim(mean_log_prob(self.model, x, self.group_size), dims) * dims
        lengths = mean_of_groups(compressed_bits(x, self.compressor), self.group_size)
        return bits - lengths.to(bits)

    def fit(self, data: Images) -> Self:
        """Nothing is fitted, and the images are not looked at."""
        return self

    def fit_from_statistics(self, statistics: Tensor) -> Self:
        return self

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        return statistics


def compressed_bits(x: Tensor, compressor: Compressor = "png") -> Tensor:
    """Length in bits of each image's file, its header included.

    Args:
        x: (N, C, H, W) with C = 1 or 3, as :func:`earlyglow.dequantize` gives them: the grey
            level is recovered.
        compressor: "png" or "jpeg2000".

    Returns:
        (N,) float64.
    """
    require_choice("compressor", compressor, get_args(Compressor))
    lengths = [_length(image, compressor) for image in quantize(x).cpu()]
    return torch.tensor(lengths, dtype=torch.float64)


def _length(image: Tensor, compressor: Compressor) -> int:
    pixels = image.permute(1, 2, 0).numpy()
    file = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.save(file, **_SETTINGS[compressor])  # type: ignore[arg-type]
    return 8 * file.tell()
