"""The layers of Glow (Kingma and Dhariwal, arXiv 1807.03039, section 3) as bijections."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earlyglow.flows.bijection import Bijection

LOG_2PI = math.log(2.0 * math.pi)
_CONSTANT_CHANNEL = 1e-6


class Squeeze(Bijection):
    """Trade resolution for channels: (N, C, H, W) to (N, 4C, H/2, W/2). Section 3.6."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor) -> Tensor:
        return F.pixel_shuffle(z, 2)


class ActNorm(Bijection):
    """Per-channel affine map ``(x + bias) · exp(log_scale)``. Section 3.1.

    The first forward in training mode sets both parameters so that its own output has zero mean
    and unit variance in each channel. A constant channel is centred and keeps scale 1: dividing
    by its zero deviation would blow up every later image.
    """

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("initialised", torch.tensor(False))
        # Reading a buffer on a GPU waits for the device, so a True is remembered here.
        self._seen_initialised = False

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.awaits_data():
            self.initialise(x)
        z = (x + self.bias) * self.log_scale.exp()
        positions = x.shape[2] * x.shape[3]
        return z, (positions * self.log_scale.sum()).expand(x.shape[0])

    def inverse(self, z: Tensor) -> Tensor:
        return z * torch.exp(-self.log_scale) - self.bias

    def awaits_data(self) -> bool:
        """Whether the next batch is to set the parameters: in training mode, and only once."""
        if not self._seen_initialised:
            self._seen_initialised = bool(self.initialised)
        return self.training and not self._seen_initialised

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set bias and scale so that ``x`` (N, C, H, W) comes out with mean 0 and variance 1."""
        deviation, mean = torch.std_mean(x.float(), dim=(0, 2, 3), correction=0)
        if not (deviation.isfinite().all() and mean.isfinite().all()):
            raise ValueError(
                "the batch that initialises an actnorm holds NaN or infinity, and every later "
                "density would too; begin with images that do not."
            )
        scale = torch.where(deviation > _CONSTANT_CHANNEL, deviation, 1.0)
        self.bias.copy_(-mean.view_as(self.bias))
        self.log_scale.copy_(-scale.log().view_as(self.log_scale))
        self.initialised.fill_(True)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._seen_initialised = False


class InvertibleConv1x1(Bijection):
    """A 1×1 convolution with weight ``P L (U + diag(sign · exp(log_diagonal)))``. Section 3.2.

    The permutation P and the signs are fixed; L is unit lower triangular, U strictly upper
    triangular. ``lower`` and ``upper`` are full square parameters whose other half is masked, as
    in the reference code, so that parameter counts agree.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        dtype = torch.get_default_dtype()
        self.lower = nn.Parameter(lower.tril(-1).to(dtype))
        self.upper = nn.Parameter(upper.triu(1).to(dtype))
        self.log_diagonal = nn.Parameter(diagonal.abs().log().to(dtype))
        self.register_buffer("permutation", permutation.to(dtype))
        self.register_buffer("sign", diagonal.sign().to(dtype))

    def factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """P, L and U + diagonal, each (C, C), with the masks applied."""
        identity = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        lower = self.lower.tril(-1) + identity
        upper = self.upper.triu(1) + torch.diag_embed(self.sign * self.log_diagonal.exp())
        return self.permutation, lower, upper

    def weight(self) -> Tensor:
        """The convolution's matrix (C, C)."""
        permutation, lower, upper = self.factors()
        return permutation @ lower @ upper

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # Autocast would round the flow's own state, not only a network inside it.
        with torch.autocast(x.device.type, enabled=False):
            z = F.conv2d(x, self.weight()[:, :, None, None])
        positions = x.shape[2] * x.shape[3]
        return z, (positions * self.log_diagonal.sum()).expand(x.shape[0])

    def inverse(self, z: Tensor) -> Tensor:
        permutation, lower, upper = (factor.double() for factor in self.factors())
        solved = torch.linalg.solve_triangular(
            lower, permutation.T, upper=False, unitriangular=True
        )
        inverse = torch.linalg.solve_triangular(upper, solved, upper=True).to(z.dtype)
        return F.conv2d(z, inverse[:, :, None, None])


class ActNormConv1x1(Bijection):
    """An actnorm and an invertible 1×1 convolution, computed as one convolution with a bias.

    ``W ((x + b) · e^s) = (W e^s) x + W (b · e^s)``: one pass over the image instead of three.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ActNorm(channels)
        self.conv = InvertibleConv1x1(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.norm.awaits_data():
            self.norm.initialise(x)
        # Autocast would round the flow's own state, not only a network inside it.
        with torch.autocast(x.device.type, enabled=False):
            weight = self.conv.weight() * self.norm.log_scale.exp().flatten()
            z = F.conv2d(x, weight[:, :, None, None], weight @ self.norm.bias.flatten())
        positions = x.shape[2] * x.shape[3]
        log_det = positions * (self.norm.log_scale.sum() + self.conv.log_diagonal.sum())
        return z, log_det.expand(x.shape[0])

    def inverse(self, z: Tensor) -> Tensor:
        return self.norm.inverse(self.conv.inverse(z))


class ConvActNormReLU(nn.Module):
    """``relu(norm(conv(x)))`` with the actnorm folded into the convolution's weight and bias.

    These are the widest activations of the model: folding spares two passes over them, and as
    many in the backward pass.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.norm = ActNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm.awaits_data():
            with torch.no_grad():
                self.norm.initialise(self.conv(x))
        scale = self.norm.log_scale.exp()
        weight, bias = self.conv.weight * scale[..., None], (self.norm.bias * scale).flatten()
        return F.conv2d(x, weight, bias, padding=self.conv.padding).relu_()


class ZeroConv2d(nn.Module):
    """A 3×3 convolution that starts at zero: ``(conv(x) + bias) · exp(3 · log_scale)``.

    Section 3.3, "zero initialization", and the factor 3 of the reference code.
    """

    GAIN = 3.0

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.log_scale = nn.Parameter(torch.zeros(out_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding=1) * (self.GAIN * self.log_scale).exp()


class CouplingNetwork(nn.Module):
    """3×3 conv, actnorm, ReLU, 1×1 conv, actnorm, ReLU, zero-initialised 3×3 conv."""

    def __init__(self, in_channels: int, out_channels: int, hidden: int) -> None:
        super().__init__()
        self.first = ConvActNormReLU(in_channels, hidden, kernel=3)
        self.middle = ConvActNormReLU(hidden, hidden, kernel=1)
        self.last = ZeroConv2d(hidden, out_channels)
        for layer in (self.first, self.middle):
            nn.init.normal_(layer.conv.weight, std=0.05)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self.first(x)))


class AffineCoupling(Bijection):
    """Shift and scale the second half of the channels by a network of the first. Section 3.3.

    ``z2 = (x2 + shift) · sigmoid(s + 2)``. The log-determinant uses logsigmoid, which stays
    finite where the sigmoid underflows.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.network = CouplingNetwork(channels // 2, channels, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x1, x2 = x.chunk(2, dim=1)
        shift, log_scale = self._shift_and_log_scale(x1)
        z2 = (x2 + shift) * log_scale.exp()
        return torch.cat((x1, z2), dim=1), log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        z1, z2 = z.chunk(2, dim=1)
        shift, log_scale = self._shift_and_log_scale(z1)
        return torch.cat((z1, z2 * torch.exp(-log_scale) - shift), dim=1)

    def _shift_and_log_scale(self, x1: Tensor) -> tuple[Tensor, Tensor]:
        # The network may run in bf16 under autocast; the flow's own arithmetic may not.
        shift, raw = self.network(x1).to(x1.dtype).chunk(2, dim=1)
        return shift, F.logsigmoid(raw + 2.0)


class ConditionalGaussian(nn.Module):
    """A diagonal Gaussian over a latent whose mean and log-deviation a ZeroConv2d predicts."""

    def __init__(self, context_channels: int, channels: int) -> None:
        super().__init__()
        self.network = ZeroConv2d(context_channels, 2 * channels)

    def log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """Log-density (N,) of ``z`` (N, C, H, W) given ``context`` (N, C', H, W)."""
        mean, log_deviation = self._mean_and_log_deviation(context, z.dtype)
        standardised = (z - mean) * torch.exp(-log_deviation)
        return -0.5 * (standardised**2 + 2.0 * log_deviation + LOG_2PI).flatten(1).sum(1)

    def sample(self, context: Tensor, temperature: float) -> Tensor:
        """Draw one latent (N, C, H, W) for each context."""
        mean, log_deviation = self._mean_and_log_deviation(context, context.dtype)
        return mean + temperature * log_deviation.exp() * torch.randn_like(mean)

    def _mean_and_log_deviation(self, context: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self.network(context).to(dtype).chunk(2, dim=1)
        return mean, log_deviation
