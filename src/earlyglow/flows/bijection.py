"""The two contracts of this package: a bijection, and a flow (a bijection with a prior)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from numbers import Integral

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from earlyglow.checks import require_least, require_whole
from earlyglow.image_checks import require_tensor

ImageShape = tuple[int, int, int]


class Bijection(nn.Module, ABC):
    """An invertible map between tensors of equal size.

    ``forward`` returns the image and the log-determinant of the Jacobian, one number per sample;
    ``inverse`` undoes ``forward``.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``x`` (N, ...) to ``(z, log_det)`` with ``log_det`` (N,) in nats."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """Map ``z`` (N, ...) back to ``x`` (N, ...)."""


class Chain(Bijection):
    """Bijections applied one after the other; their log-determinants add.

    Attributes:
        recomputes: in training mode, keep each step's input alone and compute the step again in
            the backward pass, which takes more time and less memory.
    """

    def __init__(self, bijections: Iterable[Bijection]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(bijections)
        self.recomputes = False

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(x.shape[0])
        for step in self.steps:
            if self.recomputes and self.training:
                x, step_log_det = checkpoint(step, x, use_reentrant=False)
            else:
                x, step_log_det = step(x)
            log_det = log_det + step_log_det
        return x, log_det

    def inverse(self, z: Tensor) -> Tensor:
        for step in reversed(self.steps):
            z = step.inverse(z)  # type: ignore[operator]
        return z


class Flow(Bijection):
    """A bijection between images and latents together with a prior over the latents.

    Args:
        image_shape: (C, H, W) of the images that the flow accepts.
    """

    def __init__(self, image_shape: ImageShape) -> None:
        super().__init__()
        shape = tuple(image_shape) if isinstance(image_shape, Iterable) else ()
        if len(shape) != 3 or any(not isinstance(s, Integral) or s < 1 for s in shape):
            raise ValueError(
                f"image_shape is {image_shape!r}, but it must be three positive integers "
                "(channels, height, width); for example (3, 32, 32)."
            )
        channels, height, width = map(int, shape)
        self.image_shape: ImageShape = (channels, height, width)

    @property
    def dims(self) -> int:
        """Number of dimensions of one image, C·H·W."""
        return math.prod(self.image_shape)

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of each image, in nats.

        Args:
            x: images (N, C, H, W), as :func:`earlyglow.dequantize` gives them.

        Returns:
            (N,) nats. A sample's value does not depend on the other samples of the batch.

        Raises:
            TypeError: the images are no tensor of floating-point numbers.
            ValueError: the images have another shape than the model's, or there are none.
        """

    @abstractmethod
    def final_latent(self, x: Tensor) -> Tensor:
        """Latent of the last level (N, ...), the quantity that the released code sums."""

    @abstractmethod
    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Draw ``n`` images (n, C, H, W); ``temperature`` scales the prior's deviation."""

    def _check_images(self, x: Tensor) -> None:
        require_tensor(x)
        if tuple(x.shape) == self.image_shape:
            raise ValueError(
                f"the images have shape {tuple(x.shape)}, but a flow takes a batch (N, C, H, W); "
                "for a single image pass x[None]."
            )
        if x.dim() != 4 or tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(
                f"the images have shape {tuple(x.shape)}, but this {type(self).__name__} takes "
                f"(N, {', '.join(map(str, self.image_shape))}); reshape them or build the model "
                "with the image_shape of these images."
            )
        if not len(x):
            raise ValueError("there are 0 images, but a flow takes at least 1.")
        if not x.is_floating_point():
            raise TypeError(
                f"the images have dtype {x.dtype}, but a flow takes floating-point images in "
                "[-0.5, 0.5); pass them through earlyglow.dequantize first."
            )
        dtype = next(self.parameters()).dtype
        if x.dtype != dtype:
            raise TypeError(
                f"the images have dtype {x.dtype} and this {type(self).__name__} has {dtype}; pass "
                f"images.to({dtype}), or change the flow by .to({x.dtype})."
            )

    def _check_latents(self, z: Tensor) -> None:
        if not isinstance(z, Tensor):
            raise TypeError(f"the latents are of type {type(z).__name__}, but a tensor is needed.")
        if z.dim() != 2 or z.shape[1] != self.dims:
            raise ValueError(
                f"the latents have shape {tuple(z.shape)}, but this {type(self).__name__} takes "
                f"(N, {self.dims}), as its forward returns them."
            )

    @staticmethod
    def _check_sampling(n: int, temperature: float) -> None:
        require_whole("n", n, 1)
        require_least("temperature", temperature, 0)


def bits_per_dim(log_prob: Tensor, dims: int) -> Tensor:
    """Convert the log-density of dequantised 8-bit images to bits per dimension.

    A grey level is 1/256 wide in the model's input, hence the 8 bits added (paper's code:
    ``-log 256`` per dimension; Theis et al., arXiv 1511.01844, section 3.1).

    Args:
        log_prob: (N,) nats, density of images in [-0.5, 0.5).
        dims: number of dimensions of an image, C·H·W.

    Returns:
        (N,) bits per dimension; lower is a better fit.

    Raises:
        ValueError: ``dims`` is no whole number of at least 1.
        TypeError: ``log_prob`` is no tensor.

    Examples:
        >>> import torch
        >>> bits_per_dim(torch.tensor([0.0]), dims=3072)
        tensor([8.])
    """
    require_whole("dims", dims, 1)
    if not isinstance(log_prob, Tensor):
        raise TypeError(
            f"log_prob is of type {type(log_prob).__name__}, but a tensor is needed; pass "
            "torch.as_tensor(log_prob)."
        )
    return 8.0 - log_prob / (dims * math.log(2.0))
