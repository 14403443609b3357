"""Rules of attention and of recurrent layers, whose inner linear maps no hook can watch.

The layer runs a second time on what its maps returned in the first, with identities in the maps'
places: the gradients that arrive there are those of the maps' outputs, and torch's own code does
all that lies between. So a mask, a second direction or a fused kernel needs nothing here.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from earlyglow.gradients.contributions import Contribution, Dense, Outer
from earlyglow.gradients.rules import Bare, Rule, Use, register, summed

_KERNELS: dict[str, Any] = {
    "GRU": torch.gru,
    "LSTM": torch.lstm,
    "RNN_RELU": torch.rnn_relu,
    "RNN_TANH": torch.rnn_tanh,
}


@register(nn.MultiheadAttention)
def attention(layer: nn.MultiheadAttention, use: Use) -> dict[str, Contribution]:
    """The identity stands for the maps of query, key, value and output."""
    call = _named(layer, use)
    given = [call.pop(name) for name in ("query", "key", "value")]
    if given[0].dim() != 3:
        raise NotImplementedError("its input is no batch of sequences")
    weights = {
        name: p.detach() for name, p in layer.named_parameters() if name.endswith("proj_weight")
    }
    maps = [w for weight in weights.values() for w in weight.split(layer.embed_dim)]
    biases = [None] * 3 if layer.in_proj_bias is None else layer.in_proj_bias.detach().chunk(3)
    given = [x.to(w.dtype) for x, w in zip(given, maps, strict=True)]
    mapped = [
        F.linear(x, w, b).requires_grad_() for x, w, b in zip(given, maps, biases, strict=True)
    ]
    out = layer.out_proj.weight.detach()
    neutral = {f"layer.{name}": torch.zeros_like(p) for name, p in layer.named_parameters()}
    identity = torch.eye(layer.embed_dim, dtype=out.dtype, device=out.device)
    for name, weight in (weights | {"out_proj.weight": out}).items():
        neutral[f"layer.{name}"] = identity.repeat(len(weight) // layer.embed_dim, 1)
    with torch.enable_grad():
        heads, shares = functional_call(Bare(layer), neutral, tuple(mapped), call)
    output, *of_shares = use.gradients
    output = torch.zeros_like(heads) if output is None else output.to(out.dtype)
    arrived = _gradients([heads, shares], [output @ out, *of_shares], mapped)
    output, heads, *rest = (_samples_first(layer, v) for v in (output, heads, *arrived, *given))
    arrived, given = rest[:3], rest[3:]
    contributions: dict[str, Contribution] = {"out_proj.weight": Outer(output, heads.detach())}
    if layer.in_proj_bias is not None:
        contributions["out_proj.bias"] = Dense(summed(output, 1))
        contributions["in_proj_bias"] = Dense(torch.cat([summed(d, 1) for d in arrived], 1))
    if len(weights) == 3:
        return contributions | {
            name: Outer(d, x) for name, d, x in zip(weights, arrived, given, strict=True)
        }
    if all(x.is_set_to(given[0]) for x in given):
        return contributions | {"in_proj_weight": Outer(torch.cat(arrived, 2), given[0])}
    rows = [Outer(d, x).dense().values for d, x in zip(arrived, given, strict=True)]
    return contributions | {"in_proj_weight": Dense(torch.cat(rows, 1))}


@register(nn.GRU)
@register(nn.LSTM)
@register(nn.RNN)
@torch.enable_grad()
def recurrent(layer: nn.RNNBase, use: Use) -> dict[str, Contribution]:
    """Layer by layer, direction by direction; the identity stands for the map of the inputs."""
    call = _named(layer, use)
    x = _samples_first(layer, call["input"])
    if x.dim() != 3 or layer.proj_size:
        raise NotImplementedError("its input is no batch of sequences, or its state is projected")
    directions = ["", "_reverse"] if layer.bidirectional else [""]
    names = [f"_l{i}{d}" for i in range(layer.num_layers) for d in directions]
    states = _states(call.get("hx"), layer.mode, x.new_zeros(len(names), len(x), layer.hidden_size))
    passes: list[_Pass] = []
    for _ in range(layer.num_layers):
        outputs = []
        for d in range(len(directions)):
            i = len(passes)
            seen = x.flip(1) if d else x
            passes.append(_pass(layer, names[i], layer.mode, seen, [s[i : i + 1] for s in states]))
            outputs.append(passes[i].output.flip(1) if d else passes[i].output)
        x = torch.cat(outputs, 2)
    last = [torch.cat(parts) for parts in zip(*(p.last for p in passes), strict=True)]
    reached = _gradients(
        [_samples_first(layer, x), *last], use.gradients, [p.gates for p in passes]
    )
    contributions: dict[str, Contribution] = {}
    for passed, gradient in zip(passes, reached, strict=True):
        contributions |= passed.contributions(gradient)
    return contributions


@register(nn.GRUCell)
@register(nn.LSTMCell)
@register(nn.RNNCell)
@torch.enable_grad()
def cell(layer: nn.RNNCellBase, use: Use) -> dict[str, Contribution]:
    """One step of time."""
    call = _named(layer, use)
    x = call["input"]
    if x.dim() != 2:
        raise NotImplementedError("its input is no batch of vectors")
    mode = type(layer).__name__.removesuffix("Cell")
    if isinstance(layer, nn.RNNCell):
        mode = f"RNN_{layer.nonlinearity.upper()}"
    states = _states(call.get("hx"), mode, x.new_zeros(len(x), layer.hidden_size))
    passed = _pass(layer, "", mode, x[:, None], [state[None] for state in states])
    (gates,) = _gradients([state[0] for state in passed.last], use.gradients, [passed.gates])
    return passed.contributions(gates)


# Called with several tensors, or with sequences whose second dimension is the samples'.
OF_WHOLE_CALLS: frozenset[Rule] = frozenset((attention, recurrent, cell))


@dataclass(frozen=True)
class _Pass:
    """One direction of one recurrent layer, with the sums of its gates in sight.

    Attributes:
        suffix: of the parameters' names.
        mode: as torch names it.
        input: (N, T, d).
        gates: (N, T, g), the inputs' part of the gates' sums.
        before: (N, T, h), the hidden state before each step.
        recurrence: weight (g, h) and bias (g,), if any, of the other part.
        output: (N, T, h).
        last: the states (1, N, h) at the end.
    """

    suffix: str
    mode: str
    input: Tensor
    gates: Tensor
    before: Tensor
    recurrence: list[Tensor]
    output: Tensor
    last: list[Tensor]

    @torch.no_grad()
    def contributions(self, gradient: Tensor) -> dict[str, Contribution]:
        """Of all parameters, from the gradient (N, T, g) with respect to the gates."""
        recurrent = gradient
        if self.mode == "GRU":
            # Its new state is tanh(input's part + reset · state's part).
            h = self.before.shape[2]
            parts = [p[:h] for p in self.recurrence]
            reset = torch.sigmoid(self.gates[..., :h] + F.linear(self.before, *parts))
            recurrent = torch.cat((gradient[..., : 2 * h], gradient[..., 2 * h :] * reset), 2)
        found: dict[str, Contribution] = {}
        for part, d, x in (("ih", gradient, self.input), ("hh", recurrent, self.before)):
            found[f"weight_{part}{self.suffix}"] = Outer(d, x.detach())
            if len(self.recurrence) > 1:
                found[f"bias_{part}{self.suffix}"] = Dense(summed(d, 1))
        return found


def _pass(layer: nn.Module, suffix: str, mode: str, x: Tensor, states: list[Tensor]) -> _Pass:
    """Run torch's kernel on gates that are formed here."""
    own = {name: p.detach() for name, p in layer.named_parameters("", False, False)}
    biases = [own[f"bias_{part}{suffix}"] for part in ("ih", "hh") if f"bias_ih{suffix}" in own]
    weight, recurrence = own[f"weight_ih{suffix}"], own[f"weight_hh{suffix}"]
    states = [state.to(weight.dtype) for state in states]
    gates = F.linear(x.to(weight.dtype), weight, *biases[:1])
    gates = gates if gates.requires_grad else gates.requires_grad_()
    identity = torch.eye(len(weight), dtype=weight.dtype, device=weight.device)
    parameters = [identity, recurrence, *map(torch.zeros_like, biases[:1]), *biases[1:]]
    state = states if mode == "LSTM" else states[0]
    # In training mode, without dropout: cuDNN has no backward pass in the other.
    output, *last = _KERNELS[mode](
        gates, state, parameters, bool(biases), 1, 0.0, True, False, True
    )
    before = torch.cat((states[0].transpose(0, 1), output.detach()[:, :-1]), 1)
    return _Pass(suffix, mode, x, gates, before, [recurrence, *biases[1:]], output, last)


def _named(layer: nn.Module, use: Use) -> dict[str, Any]:
    """The call's arguments by name."""
    return inspect.signature(layer.forward).bind(*use.arguments, **use.keywords).arguments


def _samples_first(layer: nn.Module, values: Tensor) -> Tensor:
    """From the layer's layout of a sequence to (N, T, ...), or back."""
    return values if layer.batch_first else values.transpose(0, 1)


def _states(given: Any, mode: str, zeros: Tensor) -> list[Tensor]:
    """Hidden state, and an LSTM's cell state."""
    if given is None:
        return [zeros, zeros] if mode == "LSTM" else [zeros]
    return [given] if isinstance(given, Tensor) else list(given)


def _gradients(
    outputs: Sequence[Tensor], gradients: Sequence[Tensor | None], points: Sequence[Tensor]
) -> list[Tensor]:
    """With respect to each point, from those of the outputs that have one."""
    pairs = [(o, g.to(o.dtype)) for o, g in zip(outputs, gradients, strict=False) if g is not None]
    ends, starts = zip(*pairs, strict=True)
    return list(
        torch.autograd.grad(ends, points, starts, allow_unused=True, materialize_grads=True)
    )
