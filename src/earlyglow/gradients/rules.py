"""How each layer type turns its inputs and output gradients into its parameters' gradients.

A rule takes the layer and one use of it, and returns one contribution per parameter name. A new
layer type is one new rule here; a layer without a rule goes through :func:`by_vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from earlyglow.flows.dense_glow import ScalarAffine, ScalarConvolution
from earlyglow.flows.layers import (
    ActNorm,
    ActNormConv1x1,
    ConvActNormReLU,
    InvertibleConv1x1,
    ZeroConv2d,
)
from earlyglow.gradients.contributions import Contribution, Dense, Outer
from earlyglow.gradients.model_state import parameters_frozen


@dataclass(frozen=True)
class Use:
    """One use of a layer in the forward pass, and what the backward pass brought to it.

    Attributes:
        input: (N, ...) what the layer was given.
        outputs: each (N, ...), what it returned.
        gradients: the objective's gradient with respect to each output; None where the objective
            does not depend on it.
        arguments: all that the layer was called with.
        keywords: the same, by name.
    """

    input: Tensor
    outputs: tuple[Tensor, ...]
    gradients: tuple[Tensor | None, ...]
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gradient(self) -> Tensor:
        """The gradient of a layer's only output, which has arrived or no rule would be asked."""
        (gradient,) = self.gradients
        return gradient  # type: ignore[return-value]


Rule = Callable[[Any, Use], dict[str, Contribution]]
RuleT = TypeVar("RuleT", bound=Rule)

RULES: dict[type[nn.Module], Rule] = {}


def register(layer: type[nn.Module]) -> Callable[[RuleT], RuleT]:
    """Make the decorated function the rule of a layer type.

    The rule answers for all parameters of the layer and of the modules inside it. It is given the
    layer and one :class:`Use` of it, and returns a :class:`~earlyglow.gradients.Dense` or
    :class:`~earlyglow.gradients.Outer` for each of its ``named_parameters()``. Rules are asked
    once for each use; uses are added as gradients.

    Examples:
        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.scale = nn.Parameter(torch.ones(3))
        ...
        ...     def forward(self, x):  # (N, 3)
        ...         return x * self.scale
        >>> @register(Scale)
        ... def scale(layer, use):
        ...     return {"scale": Dense(use.gradient * use.input)}
        >>> from earlyglow.gradients import layer_gradient_norms
        >>> x = torch.tensor([[1.0, 2.0, 2.0]])
        >>> layer_gradient_norms(Scale(), x, objective=lambda m, x: m(x).sum(1)).values
        tensor([[9.]])
    """

    def keep(rule: RuleT) -> RuleT:
        RULES[layer] = rule
        return rule

    return keep


def registered_rule(layer: nn.Module) -> Rule | None:
    """The rule of exactly the layer's type: a subclass or a patched layer may compute otherwise."""
    return None if "forward" in vars(layer) else RULES.get(type(layer))


@register(nn.Linear)
def linear(layer: nn.Linear, use: Use) -> dict[str, Contribution]:
    samples = len(use.input)
    output = use.gradient.reshape(samples, -1, layer.out_features)
    weight = Outer(output, use.input.reshape(samples, -1, layer.in_features))
    # A sum over one position would be a copy, and costs a tenth of the product.
    bias = output[:, 0] if output.shape[1] == 1 else summed(output, 1)
    return {"weight": weight} | _bias(layer, bias)


@register(nn.Conv2d)
def conv2d(layer: nn.Conv2d, use: Use) -> dict[str, Contribution]:
    plain = (
        layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )
    if not plain:
        return by_vmap(layer, use)
    weight = convolution_weight(use.input, use.gradient, layer.kernel_size, layer.padding)  # type: ignore[arg-type]
    return {"weight": weight} | _bias(layer, summed(use.gradient, (2, 3)))


@register(ConvActNormReLU)
def conv_act_norm_relu(layer: ConvActNormReLU, use: Use) -> dict[str, Contribution]:
    """With z = W e^s x + b e^s and y = relu(z): z's gradient times z is y's gradient times y."""
    (y,) = use.outputs
    conv = layer.conv
    scale = layer.norm.log_scale.exp().to(y.dtype)
    scaled = torch.ops.aten.threshold_backward(use.gradient, y, 0).mul_(scale)
    return {
        "conv.weight": convolution_weight(use.input, scaled, conv.kernel_size, conv.padding),  # type: ignore[arg-type]
        "norm.bias": Dense(summed(scaled, (2, 3))),
        "norm.log_scale": Dense(summed(use.gradient * y, (2, 3))),
    }


@register(ZeroConv2d)
def zero_conv2d(layer: ZeroConv2d, use: Use) -> dict[str, Contribution]:
    (y,) = use.outputs
    scaled = use.gradient * (layer.GAIN * layer.log_scale).exp()
    return {
        "weight": convolution_weight(use.input, scaled, (3, 3), (1, 1)),
        "bias": Dense(summed(scaled, (2, 3))),
        "log_scale": Dense(layer.GAIN * summed(use.gradient * y, (2, 3))),
    }


@register(ActNorm)
def act_norm(layer: ActNorm, use: Use) -> dict[str, Contribution]:
    output, log_det = use.gradients
    bias = log_scale = use.input.new_zeros(use.input.shape[:2])
    if output is not None:
        bias = summed(output * layer.log_scale.exp(), (2, 3))
        log_scale = summed(output * use.outputs[0], (2, 3))
    if log_det is not None:
        log_scale = log_scale + _spatial_size(use.input) * log_det[:, None]
    return {"bias": Dense(bias), "log_scale": Dense(log_scale)}


@register(InvertibleConv1x1)
def invertible_conv1x1(layer: InvertibleConv1x1, use: Use) -> dict[str, Contribution]:
    output, log_det = use.gradients
    channels = len(layer.sign)
    d_weight = use.input.new_zeros(len(use.input), channels, channels)
    if output is not None:
        d_weight = _positions(output).mT @ _positions(use.input)
    return _factors(layer, d_weight, _log_det_gradient(use.input, log_det))


@register(ActNormConv1x1)
def act_norm_conv1x1(layer: ActNormConv1x1, use: Use) -> dict[str, Contribution]:
    """Everything follows from Σ_t d_t x_tᵀ and Σ_t d_t, with z = W (e^s (x + b))."""
    output, log_det = use.gradients
    x, norm = use.input, layer.norm
    channels = x.shape[1]
    products, total = x.new_zeros(len(x), channels, channels), x.new_zeros(len(x), channels)
    if output is not None:
        products, total = _positions(output).mT @ _positions(x), output.sum((2, 3))
    from_log_det = _log_det_gradient(x, log_det)
    scale, weight = norm.log_scale.exp().flatten(), layer.conv.weight()
    # Of the matrix W e^s that multiplies x + b.
    d_fused = products + total[:, :, None] * norm.bias.flatten()
    return {
        "norm.bias": Dense(total @ weight * scale),
        "norm.log_scale": Dense((d_fused * weight).sum(1) * scale + from_log_det),
    } | {
        f"conv.{name}": contribution
        for name, contribution in _factors(layer.conv, d_fused * scale, from_log_det).items()
    }


@register(ScalarAffine)
def scalar_affine(layer: ScalarAffine, use: Use) -> dict[str, Contribution]:
    output, log_det = use.gradients
    bias = scale = use.input.new_zeros(len(use.input), 1)
    if output is not None:
        bias = output.flatten(1).sum(1, keepdim=True)
        scale = (output * use.input).flatten(1).sum(1, keepdim=True)
    if log_det is not None:
        scale = scale + use.input[0].numel() / layer.scale * log_det[:, None]
    return {"scale": Dense(scale), "bias": Dense(bias)}


@register(ScalarConvolution)
def scalar_convolution(layer: ScalarConvolution, use: Use) -> dict[str, Contribution]:
    output, log_det = use.gradients
    weight = use.input.new_zeros(len(use.input), 1)
    if output is not None:
        weight = (output * use.input).flatten(1).sum(1, keepdim=True)
    if log_det is not None:
        weight = weight + use.input[0].numel() / layer.weight * log_det[:, None]
    return {"weight": Dense(weight)}


class Bare(nn.Module):
    """A layer's own forward, without the hooks that somebody put on it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        outputs = self.layer.forward(*args, **kwargs)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def by_vmap(layer: nn.Module, use: Use) -> dict[str, Contribution]:
    """Any layer that treats samples apart: the vector-Jacobian product of each sample by vmap.

    Raises:
        ValueError: the layer reaches a parameter past its attributes, where no other value can be
            put in its place.
    """
    bare = Bare(layer)
    own = {f"layer.{name}": p.detach() for name, p in layer.named_parameters(recurse=False)}
    present = {i: gradient for i, gradient in enumerate(use.gradients) if gradient is not None}
    inputs = [_as_parameters(value, own) for value in (use.input, *present.values())]

    def outputs_of(own: dict[str, Tensor], sample: Tensor) -> tuple[Tensor, ...]:
        # A child's weight that is tied to an own one belongs to the child's rule.
        call = (sample[None], *use.arguments[1:])
        return functional_call(bare, own, call, dict(use.keywords), tie_weights=False)

    def against_output(own: dict[str, Tensor], sample: Tensor, *cotangents: Tensor) -> Tensor:
        outputs = outputs_of(own, sample)
        return sum((outputs[i][0] * c).sum() for i, c in zip(present, cotangents, strict=True))  # type: ignore[return-value]

    inside = [p for child in layer.children() for p in child.parameters()]
    with parameters_frozen(inside), torch.enable_grad():
        if any(output.requires_grad for output in outputs_of(own, inputs[0][0])):
            raise ValueError(
                "it reaches a parameter otherwise than by its own attribute (a list or an alias)"
            )
    product = vmap(grad(against_output), in_dims=(None, 0, *[0] * len(present)))
    values = product(own, *inputs)
    return {name.removeprefix("layer."): Dense(value) for name, value in values.items()}


def _as_parameters(values: Tensor, own: dict[str, Tensor]) -> Tensor:
    """In the parameters' type, which autocast may have left; indices stay as they are."""
    dtype = next(iter(own.values())).dtype
    return values.to(dtype) if values.is_floating_point() else values


def convolution_weight(
    x: Tensor, output: Tensor, kernel: tuple[int, ...], padding: tuple[int, ...]
) -> Outer:
    """Weight gradient of a convolution of stride 1 with ``output`` its outputs' gradient.

    Only the side with fewer channels is unfolded into windows, which costs k² copies of it. The
    gradient's windows are those of a convolution in the other direction, hence flipped.
    """
    channels, outputs = x.shape[1], output.shape[1]
    if kernel == (1, 1) and padding == (0, 0):
        return Outer(_positions(output), _positions(x), lambda g: g[..., None, None])
    opposite = tuple(k - 1 - p for k, p in zip(kernel, padding, strict=True))
    if channels <= outputs or min(opposite) < 0:
        windows = _windows(x, kernel, padding)
        split = (*kernel, channels)
        return Outer(
            _positions(output), windows, lambda g: g.unflatten(2, split).permute(0, 1, 4, 2, 3)
        )
    windows = _windows(output, kernel, opposite)
    split = (*kernel, outputs)
    return Outer(
        windows,
        _positions(x),
        lambda g: g.unflatten(1, split).flip(1, 2).permute(0, 3, 4, 1, 2),
    )


def _windows(x: Tensor, kernel: tuple[int, ...], padding: tuple[int, ...]) -> Tensor:
    """The window around each position, (N, positions, kh·kw·C)."""
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    windows = padded.unfold(2, kernel[0], 1).unfold(3, kernel[1], 1)
    return windows.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


def _positions(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H·W, C): no copy where the memory is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _factors(
    layer: InvertibleConv1x1, d_weight: Tensor, from_log_det: Tensor
) -> dict[str, Contribution]:
    """Chain from the convolution's matrix W = P L U to its three parameters."""
    permutation, lower, upper = layer.factors()
    d_lower = (permutation.T @ d_weight @ upper.T).tril(-1)
    d_upper = (permutation @ lower).T @ d_weight
    d_diagonal = d_upper.diagonal(dim1=1, dim2=2) * layer.sign * layer.log_diagonal.exp()
    return {
        "lower": Dense(d_lower),
        "upper": Dense(d_upper.triu(1)),
        "log_diagonal": Dense(d_diagonal + from_log_det),
    }


def _log_det_gradient(x: Tensor, log_det: Tensor | None) -> Tensor:
    """(N, 1) what each log-scale of a map of (N, C, H, W) gets from the log-determinant."""
    return x.new_zeros(len(x), 1) if log_det is None else _spatial_size(x) * log_det[:, None]


def _spatial_size(x: Tensor) -> int:
    return x.shape[2] * x.shape[3]


def summed(values: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    """Sum in float32 at least."""
    return values.sum(dims, dtype=torch.promote_types(values.dtype, torch.float32))


def _bias(layer: nn.Linear | nn.Conv2d, gradient: Tensor) -> dict[str, Contribution]:
    return {} if layer.bias is None else {"bias": Dense(gradient)}
