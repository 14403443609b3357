"""Glow (Kingma and Dhariwal, arXiv 1807.03039), with the sizes of arXiv 2502.00820."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from earlyglow.checks import require_whole
from earlyglow.flows.bijection import Chain, Flow, ImageShape
from earlyglow.flows.layers import (
    ActNormConv1x1,
    AffineCoupling,
    ConditionalGaussian,
    Squeeze,
)
from earlyglow.precision import float32_products


def glow_step(channels: int, hidden: int) -> Chain:
    """One step of flow: actnorm, invertible 1×1 convolution, affine coupling (figure 2a)."""
    return Chain([ActNormConv1x1(channels), AffineCoupling(channels, hidden)])


class Glow(Flow):
    """The multi-scale flow: in each level a squeeze, ``steps`` steps of flow and a split.

    Args:
        image_shape: (C, H, W); H and W must be divisible by 2**levels.
        levels: number of levels L, at least 1.
        steps: steps of flow K in each level, at least 1.
        hidden: channels of the hidden layers of every coupling network.

    Raises:
        ValueError: a size is not positive, or the image cannot be halved ``levels`` times.

    Source: arXiv 2502.00820 uses levels=3, steps=32, hidden=512 for (3, 32, 32): 1353 parameter
    tensors and 44,235,312 parameters.

    Examples:
        >>> model = Glow(image_shape=(1, 8, 8), levels=2, steps=1, hidden=4)
        >>> model.log_prob(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3])
    """

    def __init__(
        self,
        image_shape: ImageShape = (3, 32, 32),
        levels: int = 3,
        steps: int = 32,
        hidden: int = 512,
    ) -> None:
        super().__init__(image_shape)
        for name, value in (("levels", levels), ("steps", steps), ("hidden", hidden)):
            require_whole(name, value, 1)
        channels, height, width = self.image_shape
        if height % 2**levels or width % 2**levels:
            raise ValueError(
                f"a {height}x{width} image cannot be halved {levels} times: height and width must "
                f"be divisible by 2**levels = {2**levels}; use fewer levels or resize the images."
            )
        self.levels = nn.ModuleList()
        self.split_priors = nn.ModuleList()
        self._latent_shapes: list[ImageShape] = []
        for level in range(levels):
            channels, height, width = 4 * channels, height // 2, width // 2
            steps_of_level = [glow_step(channels, hidden) for _ in range(steps)]
            self.levels.append(Chain([Squeeze(), *steps_of_level]))
            if level < levels - 1:
                channels //= 2
                self.split_priors.append(ConditionalGaussian(channels, channels))
            self._latent_shapes.append((channels, height, width))
        # The reference code feeds zeros to the learned top prior: only its bias matters.
        self.top_prior = ConditionalGaussian(2 * channels, channels)
        # Convolutions follow their weight's layout; this one nearly halves their time on a CPU.
        self.to(memory_format=torch.channels_last)

    def recompute_activations(self) -> None:
        """From now on, train with little memory: see :class:`~earlyglow.flows.Chain`."""
        for level in self.levels:
            level.recomputes = True  # type: ignore[assignment]

    @float32_products("ieee")
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, C, H, W) to latents (N, C·H·W), the first level's first, and log_det."""
        latents, _, log_det = self._encode(x)
        return torch.cat([latent.flatten(1) for latent in latents], dim=1), log_det

    @float32_products("ieee")
    def inverse(self, z: Tensor) -> Tensor:
        self._check_latents(z)
        *split_off, h = self._unflatten(z)
        for level, latent in zip(reversed(self.levels[1:]), reversed(split_off), strict=True):
            h = torch.cat((level.inverse(h), latent), dim=1)  # type: ignore[operator]
        return self.levels[0].inverse(h)  # type: ignore[operator]

    def log_prob(self, x: Tensor) -> Tensor:
        latents, contexts, log_prob = self._encode(x)
        priors = [*self.split_priors, self.top_prior]
        for prior, latent, context in zip(priors, latents, contexts, strict=True):
            log_prob = log_prob + prior.log_prob(latent, context)
        return log_prob

    def final_latent(self, x: Tensor) -> Tensor:
        return self._encode(x)[0][-1]

    @float32_products("ieee")
    @torch.no_grad()
    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        self._check_sampling(n, temperature)
        parameter = next(self.parameters())
        context = self._top_context(parameter.new_zeros(n))
        h = self.top_prior.sample(context, temperature)
        for level, prior in zip(
            reversed(self.levels[1:]), reversed(self.split_priors), strict=True
        ):
            h = level.inverse(h)  # type: ignore[operator]
            h = torch.cat((h, prior.sample(h, temperature)), dim=1)  # type: ignore[operator]
        return self.levels[0].inverse(h)  # type: ignore[operator]

    def _encode(self, x: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Latents of every level, the context of each one's prior, and the log-determinant."""
        self._check_images(x)
        latents, contexts = [], []
        h, log_det = self.levels[0](x)
        for level in self.levels[1:]:
            h, latent = h.chunk(2, dim=1)
            latents.append(latent)
            contexts.append(h)
            h, level_log_det = level(h)
            log_det = log_det + level_log_det
        return [*latents, h], [*contexts, self._top_context(h)], log_det

    def _top_context(self, like: Tensor) -> Tensor:
        channels, height, width = self._latent_shapes[-1]
        return like.new_zeros(len(like), 2 * channels, height, width)

    def _unflatten(self, z: Tensor) -> list[Tensor]:
        sizes = [math.prod(shape) for shape in self._latent_shapes]
        parts = z.split(sizes, dim=1)
        return [part.unflatten(1, s) for part, s in zip(parts, self._latent_shapes, strict=True)]
