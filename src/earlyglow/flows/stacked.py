"""Glow as matrix products over positions, its weights stacked: for a GPU.

A GPU spends its time on starting kernels where a flow has a thousand small tensors. Here the
weights of all steps of a level lie in one tensor for each role, so that what prepares them runs
once for a level, and a step of flow is five matrix products and a little arithmetic between them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earlyglow.flows.glow import Glow
from earlyglow.flows.layers import ZeroConv2d

_TILE = 8

_Function = Callable[..., tuple[Tensor, ...]]

_ROLES = {
    "norm_bias": "steps.0.norm.bias",
    "norm_log_scale": "steps.0.norm.log_scale",
    "lower": "steps.0.conv.lower",
    "upper": "steps.0.conv.upper",
    "log_diagonal": "steps.0.conv.log_diagonal",
    "first_weight": "steps.1.network.first.conv.weight",
    "first_bias": "steps.1.network.first.norm.bias",
    "first_log_scale": "steps.1.network.first.norm.log_scale",
    "middle_weight": "steps.1.network.middle.conv.weight",
    "middle_bias": "steps.1.network.middle.norm.bias",
    "middle_log_scale": "steps.1.network.middle.norm.log_scale",
    "last_weight": "steps.1.network.last.weight",
    "last_bias": "steps.1.network.last.bias",
    "last_log_scale": "steps.1.network.last.log_scale",
}


class StackedGlow:
    """The log-density of a Glow whose parameters are views of a few stacked tensors.

    The flow's own parameters become views of ``flat``, so that a change of the one is a change of
    the other; :meth:`release` ends that. Its actnorms have to be initialised.

    Args:
        flow: the flow.
        precision: "float32" for the flow's own type, or "bf16" for the matrix products of the
            coupling networks.
        compiled: whether ``torch.compile`` fuses the arithmetic between the products.

    Attributes:
        flat: all weights (P,).
    """

    def __init__(self, flow: Glow, precision: str, compiled: bool) -> None:
        self.flow = flow
        self._dtype = torch.bfloat16 if precision == "bf16" else next(flow.parameters()).dtype
        self._priors = [*flow.split_priors, flow.top_prior]
        of_levels = [row for chain in flow.levels for row in _rows(chain)]
        of_priors = [p for prior in self._priors for p in prior.parameters()]
        self._order = [*(p for row in of_levels for p in row), *of_priors]
        self.flat = _into_one(self._order)
        stacks, count = _stacks(of_levels), len(_ROLES)
        self._leaves, self._stacked = [*stacks, *of_priors], len(stacks)
        self._levels = [
            _Level(dict(zip(_ROLES, stacks[i * count :], strict=False)), *_fixed(chain))
            for i, chain in enumerate(flow.levels)
        ]
        functions: tuple[_Function, _Function] = (
            _compiled() if compiled else (_prepare, _step_of_flow)
        )
        self._prepare, self._step = functions

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (N,) in nats of images (N, C, H, W)."""
        # With and without a gradient to its images a step would be compiled twice.
        h = x.detach().requires_grad_()
        log_prob = x.new_zeros(len(x))
        for level, prior in zip(self._levels[:-1], self._priors[:-1], strict=True):
            h, log_det = self._through(level, h)
            h, latent = h.chunk(2, dim=1)
            log_prob = log_prob + log_det + self._of_latent(prior, latent, h)
        h, log_det = self._through(self._levels[-1], h)
        context = x.new_zeros(len(x), 2 * h.shape[1], *h.shape[2:])
        return log_prob + log_det + self._of_latent(self._priors[-1], h, context)

    def gradient(self, value: Tensor) -> Tensor:
        """The gradient (P,) of a number with respect to all weights, in the order of ``flat``."""
        gradients = torch.autograd.grad(value, self._leaves)
        of_stacks, of_priors = gradients[: self._stacked], gradients[self._stacked :]
        in_memory = [*of_stacks, *map(_in_memory, of_priors)]
        return torch.cat([gradient.flatten() for gradient in in_memory])

    def split(self, flat: Tensor) -> list[Tensor]:
        """A tensor like ``flat``, cut and shaped as the flow's parameters, in their order."""
        pieces = flat.split([parameter.numel() for parameter in self._order])
        found = {p: _in_shape_of(p, piece) for p, piece in zip(self._order, pieces, strict=True)}
        return [found[parameter] for parameter in self.flow.parameters()]

    def join(self, values: Sequence[Tensor]) -> Tensor:
        """What :meth:`split` cuts: one tensor like ``flat`` from one for each parameter."""
        found = dict(zip(self.flow.parameters(), values, strict=True))
        return torch.cat([_in_memory(found[parameter]).flatten() for parameter in self._order])

    def release(self) -> None:
        """Give every parameter of the flow memory of its own again."""
        for parameter in self._order:
            parameter.data = parameter.data.clone()

    def _through(self, level: _Level, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.pixel_unshuffle(x, 2).permute(0, 2, 3, 1).contiguous()
        *stacks, log_scales = self._prepare(
            level.stacks, level.permutation, level.sign, self._dtype
        )
        log_det = h[0, :, :, 0].numel() * log_scales
        for weights in zip(*(stack.unbind() for stack in stacks), strict=True):
            h, of_step = self._step(h, *weights)
            log_det = log_det + of_step
        return h.permute(0, 3, 1, 2), log_det

    def _of_latent(self, prior: nn.Module, latent: Tensor, context: Tensor) -> Tensor:
        bf16 = self._dtype == torch.bfloat16
        with torch.autocast(latent.device.type, torch.bfloat16, enabled=bf16):
            return prior.log_prob(latent, context)  # type: ignore[operator]


@functools.cache
def _compiled() -> tuple[_Function, _Function]:
    """Both functions compiled, once for each shape that they meet in this process."""
    return torch.compile(_prepare, dynamic=False), torch.compile(_step_of_flow, dynamic=False)


@dataclass(frozen=True)
class _Level:
    """The weights of a level's K steps by role, each (K, ...), and what is fixed of each step."""

    stacks: dict[str, Tensor]
    permutation: Tensor
    sign: Tensor


def _prepare(
    s: dict[str, Tensor], permutation: Tensor, sign: Tensor, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """What :func:`_step_of_flow` takes of each of K steps, and the sum of all log-scales.

    The actnorms and the last layer's gain are folded into the weights that they follow.
    """
    matrix, shift = _affine_maps(s, permutation, sign)
    first_scale, middle_scale = s["first_log_scale"].exp(), s["middle_log_scale"].exp()
    gain = (ZeroConv2d.GAIN * s["last_log_scale"]).exp()
    first = (s["first_weight"] * first_scale[:, :, None]).permute(0, 2, 3, 4, 1).flatten(1, 3)
    middle = (s["middle_weight"] * middle_scale[:, :, None]).flatten(2).mT
    last = (s["last_weight"] * gain[:, :, None]).permute(0, 4, 2, 3, 1).flatten(2)
    # Tensor cores take matrices whose sizes are multiples of eight.
    first = F.pad(first, (0, 0, 0, -first.shape[1] % _TILE))
    last = F.pad(last, (0, -last.shape[2] % _TILE))
    return (
        matrix.mT.contiguous(),
        shift,
        first.to(dtype),
        (s["first_bias"] * first_scale).flatten(1).to(dtype),
        middle.to(dtype),
        (s["middle_bias"] * middle_scale).flatten(1).to(dtype),
        last.to(dtype),
        s["last_bias"] * gain.flatten(1),
        s["norm_log_scale"].sum() + s["log_diagonal"].sum(),
    )


def _affine_maps(s: dict[str, Tensor], permutation: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix (K, C, C) and shift (K, C) of actnorm and 1×1 convolution together."""
    identity = torch.eye(sign.shape[1], dtype=sign.dtype, device=sign.device)
    diagonal = torch.diag_embed(sign * s["log_diagonal"].exp())
    product = permutation @ (s["lower"].tril(-1) + identity) @ (s["upper"].triu(1) + diagonal)
    matrix = product * s["norm_log_scale"].exp().flatten(1)[:, None]
    return matrix, (matrix @ s["norm_bias"].flatten(2)).flatten(1)


def _step_of_flow(
    x: Tensor,
    matrix: Tensor,
    shift: Tensor,
    first: Tensor,
    first_bias: Tensor,
    middle: Tensor,
    middle_bias: Tensor,
    last: Tensor,
    last_bias: Tensor,
) -> tuple[Tensor, Tensor]:
    """One step of flow of images (N, H, W, C): the same shape, and its coupling's log_det (N,)."""
    z = torch.addmm(shift, x.flatten(0, 2), matrix).view_as(x)
    z1, z2 = z.chunk(2, dim=3)
    windows = _windows(z1.to(first.dtype), first.shape[0])
    hidden = torch.addmm(first_bias, windows, first).relu()
    hidden = torch.addmm(middle_bias, hidden, middle).relu()
    outputs = _sum_of_windows(hidden @ last, x.shape) + last_bias
    offset, raw = outputs.chunk(2, dim=3)
    log_scale = F.logsigmoid(raw + 2.0)
    return torch.cat((z1, (z2 + offset) * log_scale.exp()), dim=3), log_scale.flatten(1).sum(1)


def _windows(x: Tensor, columns: int) -> Tensor:
    """The 3×3 window around each position of (N, H, W, C): (N·H·W, columns), filled with zeros."""
    height, width = x.shape[1:3]
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    filling = x.new_zeros(*x.shape[:3], columns - 9 * x.shape[3])
    return torch.cat((*shifted, filling), dim=3).flatten(0, 2)


def _sum_of_windows(y: Tensor, shape: torch.Size) -> Tensor:
    """Each position of (N, H, W, C) gets its share of the windows (N·H·W, ≥ 9·C) around it."""
    count, height, width, channels = shape
    y = y[:, : 9 * channels].reshape(count, height, width, 3, 3, channels)
    padded = F.pad(y.float() if y.dtype == torch.bfloat16 else y, (0, 0, 0, 0, 0, 0, 1, 1, 1, 1))
    total = padded[:, :height, :width, 0, 0]
    for i in range(3):
        for j in range(3):
            if i or j:
                total = total + padded[:, i : i + height, j : j + width, i, j]
    return total


def _rows(chain: nn.Module) -> Iterator[list[nn.Parameter]]:
    """For each role the parameters of all steps of a level that have it."""
    steps = [dict(step.named_parameters()) for step in chain.steps[1:]]  # type: ignore[index]
    for path in _ROLES.values():
        yield [step[path] for step in steps]


def _fixed(chain: nn.Module) -> tuple[Tensor, Tensor]:
    """Permutations (K, C, C) and signs (K, C) of a level's 1×1 convolutions."""
    convs = [step.steps[0].conv for step in chain.steps[1:]]  # type: ignore[index]
    permutations = torch.stack([conv.permutation for conv in convs])
    return permutations, torch.stack([conv.sign for conv in convs])


def _into_one(parameters: list[nn.Parameter]) -> Tensor:
    """All values in one tensor, of which the parameters' data become views."""
    flat = torch.cat([_in_memory(parameter.data).flatten() for parameter in parameters])
    pieces = flat.split([parameter.numel() for parameter in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.data = _in_shape_of(parameter, piece)
    return flat


def _stacks(rows: list[list[nn.Parameter]]) -> list[Tensor]:
    """One tensor (K, ...) over each row of parameters that lie one after the other in memory."""
    stacks = []
    for row in rows:
        first = _in_memory(row[0].data)
        stack = first.as_strided((len(row), *first.shape), (first.numel(), *first.stride()))
        stacks.append(stack.detach().requires_grad_())
    return stacks


def _in_memory(values: Tensor) -> Tensor:
    """With the channels of a convolution's weight last, as they lie in memory."""
    return values.permute(0, 2, 3, 1) if values.dim() == 4 else values


def _in_shape_of(parameter: Tensor, piece: Tensor) -> Tensor:
    """A flat piece of memory in the shape of a parameter."""
    shaped = piece.view(_in_memory(parameter).shape)
    return shaped.permute(0, 3, 1, 2) if parameter.dim() == 4 else shaped
