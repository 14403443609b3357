"""The one-channel model of the released code of arXiv 2502.00820: one dense step used ten times."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earlyglow.checks import require_choice, require_whole
from earlyglow.flows.bijection import Bijection, Flow, ImageShape
from earlyglow.precision import float32_products

Initialisation = Literal["identity", "released"]


class ScalarAffine(Bijection):
    """``x · scale + bias`` with one scale and one bias: an actnorm of a single channel."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x[0].numel() * self.scale.abs().log()
        return x * self.scale + self.bias, log_det.expand(x.shape[0])

    def inverse(self, z: Tensor) -> Tensor:
        return (z - self.bias) / self.scale


class ScalarConvolution(Bijection):
    """``x · weight``: a 1×1 convolution of a single channel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x[0].numel() * self.weight.abs().log()
        return x * self.weight, log_det.expand(x.shape[0])

    def inverse(self, z: Tensor) -> Tensor:
        return z / self.weight


class DenseNetwork(nn.Sequential):
    """dims → hidden, ``depth`` layers hidden → hidden, → dims, with ReLU between."""

    def __init__(self, dims: int, hidden: int, depth: int) -> None:
        widths = [dims, *[hidden] * (depth + 1)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers, nn.Linear(hidden, dims))


class MaskedCoupling(nn.Module):
    """Shift and scale the pixels outside of a mask by two networks of the pixels inside of it.

    Not a :class:`Bijection` by itself: the mask alternates from use to use.
    """

    def __init__(self, dims: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.log_scale = DenseNetwork(dims, hidden, depth)
        self.shift = DenseNetwork(dims, hidden, depth)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``x`` (N, dims); ``mask`` (dims,) is 1 where a pixel is kept."""
        log_scale, shift = self._log_scale_and_shift(x, mask)
        return x * log_scale.exp() + shift, log_scale.sum(1)

    def inverse(self, z: Tensor, mask: Tensor) -> Tensor:
        log_scale, shift = self._log_scale_and_shift(z, mask)
        return (z - shift) * torch.exp(-log_scale)

    def _log_scale_and_shift(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        kept = x * mask
        log_scale = torch.tanh(self.log_scale(kept).to(x.dtype)) * (1 - mask)
        return log_scale, self.shift(kept).to(x.dtype) * (1 - mask)


class DenseGlow(Flow):
    """One step (affine, scalar convolution, masked dense coupling) used ``steps`` times.

    The weights are shared by all uses, the masks alternate between even and odd pixels, and the
    prior is a standard logistic. This is what the released code calls Glow on 28×28 images.

    Args:
        image_shape: (1, H, W).
        steps: uses of the step, at least 1.
        hidden: width of the dense layers, at least 1.
        depth: number of hidden → hidden layers in each of the two networks, at least 0.
        initialisation: "identity" starts both scalars at 1; "released" draws the affine scale
            from N(0, 1) and the scalar convolution from U(-√3, √3), as the released code does:
            their product acts ``steps`` times, so an unlucky draw makes the image vanish.

    Raises:
        ValueError: more than one channel, a size that is not positive, or an unknown
            initialisation.

    Source: sizes of arXiv 2502.00820 (steps=10, hidden=1000, depth=10 for (1, 28, 28): 51
    parameter tensors, 23,159,571 parameters). The released code adds a constant 1 to the
    log-determinant in each use; here it is exact.

    Examples:
        >>> model = DenseGlow(image_shape=(1, 4, 4), steps=2, hidden=8, depth=1)
        >>> model.log_prob(torch.zeros(3, 1, 4, 4)).shape
        torch.Size([3])
    """

    masks: Tensor

    def __init__(
        self,
        image_shape: ImageShape = (1, 28, 28),
        steps: int = 10,
        hidden: int = 1000,
        depth: int = 10,
        initialisation: Initialisation = "identity",
    ) -> None:
        super().__init__(image_shape)
        if self.image_shape[0] != 1:
            raise ValueError(
                f"image_shape is {self.image_shape}, but DenseGlow takes one channel; convert the "
                "images to grey or use Glow."
            )
        for name, value, least in (("steps", steps, 1), ("hidden", hidden, 1), ("depth", depth, 0)):
            require_whole(name, value, least)
        require_choice("initialisation", initialisation, get_args(Initialisation))
        self.steps = steps
        self.affine = ScalarAffine()
        self.convolution = ScalarConvolution()
        self.coupling = MaskedCoupling(self.dims, hidden, depth)
        even = (torch.arange(self.dims) % 2 == 0).to(torch.get_default_dtype())
        self.register_buffer("masks", torch.stack((even, 1 - even)))
        if initialisation == "released":
            nn.init.normal_(self.affine.scale)
            nn.init.uniform_(self.convolution.weight, -math.sqrt(3.0), math.sqrt(3.0))

    def extra_repr(self) -> str:
        return f"steps={self.steps}"

    @float32_products("ieee")
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, 1, H, W) to latents (N, H·W) and log_det (N,)."""
        self._check_images(x)
        z = x.flatten(1)
        log_det = z.new_zeros(len(z))
        for step in range(self.steps):
            z, affine = self.affine(z)
            z, convolution = self.convolution(z)
            z, coupling = self.coupling(z, self.masks[step % 2])
            log_det = log_det + affine + convolution + coupling
        return z, log_det

    @float32_products("ieee")
    def inverse(self, z: Tensor) -> Tensor:
        self._check_latents(z)
        for step in reversed(range(self.steps)):
            z = self.coupling.inverse(z, self.masks[step % 2])
            z = self.affine.inverse(self.convolution.inverse(z))
        return z.unflatten(1, self.image_shape)

    def log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self(x)
        return log_det - (F.softplus(z) + F.softplus(-z)).sum(1)

    def final_latent(self, x: Tensor) -> Tensor:
        return self(x)[0]

    @float32_products("ieee")
    @torch.no_grad()
    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        self._check_sampling(n, temperature)
        uniform = torch.rand(n, self.dims, dtype=self.masks.dtype, device=self.masks.device)
        return self.inverse(temperature * torch.logit(uniform, eps=torch.finfo(uniform.dtype).eps))
