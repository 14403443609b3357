"""How each layer type turns its inputs and output gradients into its parameters' gradients.

A rule takes the layer, its input (N, ...) and the gradient with respect to each of its outputs
(None where the objective does not depend on it), and returns one contribution per parameter name.
A new layer type is one new rule here; a layer without a rule goes through :func:`by_vmap`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from earlyglow.flows.dense_glow import ScalarAffine, ScalarConvolution
from earlyglow.flows.layers import ActNorm, InvertibleConv1x1, ZeroConv2d
from earlyglow.gradients.contributions import Contribution, Dense, Outer

OutputGradients = tuple[Tensor | None, ...]
Rule = Callable[[Any, Tensor, OutputGradients], dict[str, Contribution]]
RuleT = TypeVar("RuleT", bound=Rule)

RULES: dict[type[nn.Module], Rule] = {}


def register(layer: type[nn.Module]) -> Callable[[RuleT], RuleT]:
    """Make the decorated function the rule of a layer type."""

    def keep(rule: RuleT) -> RuleT:
        RULES[layer] = rule
        return rule

    return keep


def find_rule(layer: nn.Module) -> Rule:
    """The rule of the layer's type, or of a parent type whose forward it did not change."""
    for kind in type(layer).__mro__:
        if kind in RULES and type(layer).forward is kind.forward:
            return RULES[kind]
    return by_vmap


@register(nn.Linear)
def linear(layer: nn.Linear, x: Tensor, gradients: OutputGradients) -> dict[str, Contribution]:
    (output,) = gradients
    output = output.reshape(len(x), -1, layer.out_features)
    weight = Outer(output, x.reshape(len(x), -1, layer.in_features))
    return {"weight": weight} | _bias(layer, output.sum(1))


@register(nn.Conv2d)
def conv2d(layer: nn.Conv2d, x: Tensor, gradients: OutputGradients) -> dict[str, Contribution]:
    (output,) = gradients
    plain = (
        layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )
    if not plain:
        return by_vmap(layer, x, gradients)
    weight = convolution_weight(x, output, layer.kernel_size, layer.padding)
    return {"weight": weight} | _bias(layer, output.sum((2, 3)))


@register(ZeroConv2d)
def zero_conv2d(
    layer: ZeroConv2d, x: Tensor, gradients: OutputGradients
) -> dict[str, Contribution]:
    (output,) = gradients
    scaled = output * (layer.GAIN * layer.log_scale).exp()
    weight = convolution_weight(x, scaled, (3, 3), (1, 1))
    before = F.conv2d(x, layer.weight, layer.bias, padding=1)
    return {
        "weight": weight,
        "bias": Dense(scaled.sum((2, 3))),
        "log_scale": Dense(layer.GAIN * (scaled * before).sum((2, 3))),
    }


@register(ActNorm)
def act_norm(layer: ActNorm, x: Tensor, gradients: OutputGradients) -> dict[str, Contribution]:
    output, log_det = gradients
    bias = log_scale = x.new_zeros(x.shape[:2])
    if output is not None:
        scaled = output * layer.log_scale.exp()
        bias = scaled.sum((2, 3))
        log_scale = (scaled * x).sum((2, 3)) + bias * layer.bias.flatten()
    if log_det is not None:
        log_scale = log_scale + x.shape[2] * x.shape[3] * log_det[:, None]
    return {"bias": Dense(bias), "log_scale": Dense(log_scale)}


@register(InvertibleConv1x1)
def invertible_conv1x1(
    layer: InvertibleConv1x1, x: Tensor, gradients: OutputGradients
) -> dict[str, Contribution]:
    """Chain from the convolution's matrix W = P L U to the three parameters."""
    output, log_det = gradients
    permutation, lower, upper = layer.factors()
    channels = len(lower)
    d_weight = x.new_zeros(len(x), channels, channels)
    if output is not None:
        d_weight = _positions(output).mT @ _positions(x)
    d_lower = (permutation.T @ d_weight @ upper.T).tril(-1)
    d_upper = (permutation @ lower).T @ d_weight
    d_diagonal = d_upper.diagonal(dim1=1, dim2=2) * layer.sign * layer.log_diagonal.exp()
    if log_det is not None:
        d_diagonal = d_diagonal + x.shape[2] * x.shape[3] * log_det[:, None]
    return {
        "lower": Dense(d_lower),
        "upper": Dense(d_upper.triu(1)),
        "log_diagonal": Dense(d_diagonal),
    }


@register(ScalarAffine)
def scalar_affine(
    layer: ScalarAffine, x: Tensor, gradients: OutputGradients
) -> dict[str, Contribution]:
    output, log_det = gradients
    bias = scale = x.new_zeros(len(x), 1)
    if output is not None:
        bias = output.flatten(1).sum(1, keepdim=True)
        scale = (output * x).flatten(1).sum(1, keepdim=True)
    if log_det is not None:
        scale = scale + x[0].numel() / layer.scale * log_det[:, None]
    return {"scale": Dense(scale), "bias": Dense(bias)}


@register(ScalarConvolution)
def scalar_convolution(
    layer: ScalarConvolution, x: Tensor, gradients: OutputGradients
) -> dict[str, Contribution]:
    output, log_det = gradients
    weight = x.new_zeros(len(x), 1)
    if output is not None:
        weight = (output * x).flatten(1).sum(1, keepdim=True)
    if log_det is not None:
        weight = weight + x[0].numel() / layer.weight * log_det[:, None]
    return {"weight": Dense(weight)}


def by_vmap(layer: nn.Module, x: Tensor, gradients: OutputGradients) -> dict[str, Contribution]:
    """Any layer that treats samples apart: the vector-Jacobian product of each sample by vmap."""
    own = {name: p.detach() for name, p in layer.named_parameters(recurse=False)}
    present = [i for i, gradient in enumerate(gradients) if gradient is not None]

    def against_output(own: dict[str, Tensor], sample: Tensor, *cotangents: Tensor) -> Tensor:
        outputs = functional_call(layer, own, (sample[None],))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum((outputs[i][0] * c).sum() for i, c in zip(present, cotangents, strict=True))

    product = vmap(grad(against_output), in_dims=(None, 0, *[0] * len(present)))
    values = product(own, x.detach(), *[gradients[i] for i in present])
    return {name: Dense(value) for name, value in values.items()}


def convolution_weight(
    x: Tensor, output: Tensor, kernel: tuple[int, ...], padding: tuple[int, ...]
) -> Contribution:
    """Weight gradient of a convolution of stride 1: one matrix product per kernel position.

    The wide side is never unfolded: each product takes a shifted window of the padded input.
    """
    if kernel == (1, 1) and padding == (0, 0):
        return Outer(_positions(output), _positions(x))
    height, width = output.shape[2:]
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    transposed = _positions(output).mT
    products = [
        transposed @ _positions(padded[:, :, i : i + height, j : j + width])
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
    return Dense(torch.stack(products, dim=1))


def _positions(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H·W, C): no copy where the memory is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _bias(layer: nn.Linear | nn.Conv2d, gradient: Tensor) -> dict[str, Contribution]:
    return {} if layer.bias is None else {"bias": Dense(gradient)}
