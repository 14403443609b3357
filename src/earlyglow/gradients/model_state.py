"""States that a model is put in for a measurement, and taken out of afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every module is in evaluation mode inside, and in its own mode afterwards.

    Recurrent layers are in training mode and without dropout, which computes the same: cuDNN has
    no backward pass of them in evaluation mode.
    """
    before = [(module, module.training) for module in model.modules()]
    recurrent = [(m, m.dropout) for m in model.modules() if type(m) in (nn.GRU, nn.LSTM, nn.RNN)]
    try:
        model.eval()
        for layer, _ in recurrent:
            layer.training, layer.dropout = True, 0.0  # type: ignore[assignment]
        yield
    finally:
        for module, training in before:
            module.training = training
        for layer, dropout in recurrent:
            layer.dropout = dropout


@contextmanager
def all_requiring_grad(model: nn.Module) -> Iterator[None]:
    """Every parameter requires a gradient inside, and is as it was afterwards."""
    before = [(p, p.requires_grad) for p in model.parameters()]
    try:
        for parameter, _ in before:
            parameter.requires_grad_()
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)


@contextmanager
def values_kept(model: nn.Module) -> Iterator[int]:
    """What a forward pass writes into parameters and buffers is taken back afterwards.

    An embedding with ``max_norm`` writes, and so does a layer that sets itself by its first data;
    a layer that counts may put another tensor in a buffer's place. Gives the bytes of the copies.
    """
    held = [
        (module, name, tensor)
        for module in model.modules()
        for own in (module.named_parameters, module.named_buffers)
        for name, tensor in own(recurse=False, remove_duplicate=False)
    ]
    tensors = [*model.parameters(), *model.buffers()]
    before = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield sum(values.nbytes for _, values in before)
    finally:
        for module, name, tensor in held:
            if getattr(module, name) is not tensor:
                setattr(module, name, tensor)
        with torch.no_grad():
            for tensor, values in before:
                if not torch.equal(tensor, values):
                    tensor.copy_(values)


@contextmanager
def plain_gradients(model: nn.Module) -> Iterator[None]:
    """No gradient hooks inside, of parameters or of modules, and embeddings give dense gradients.

    A hook changes what is accumulated in training; norms are of the objective's own gradient.
    """
    hooked = [(p, p._backward_hooks) for p in model.parameters() if p._backward_hooks]
    sparse = [m for m in model.modules() if getattr(m, "sparse", False) is True]
    watched = [
        (module, name, hooks)
        for module in model.modules()
        for name in ("_backward_hooks", "_backward_pre_hooks")
        if (hooks := getattr(module, name))
    ]
    try:
        for module, name, _ in watched:
            setattr(module, name, OrderedDict())
        for parameter, _ in hooked:
            parameter._backward_hooks = None
        for module in sparse:
            module.sparse = False  # type: ignore[assignment]
        yield
    finally:
        for parameter, hooks in hooked:
            parameter._backward_hooks = hooks
        for module, name, hooks in watched:
            setattr(module, name, hooks)
        for module in sparse:
            module.sparse = True  # type: ignore[assignment]


@contextmanager
def parameters_frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """No gradient is asked for with respect to these parameters inside."""
    before = [(p, p.requires_grad) for p in parameters]
    try:
        for parameter, _ in before:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)


@contextmanager
def bf16_linear_weights(model: nn.Module) -> Iterator[None]:
    """The weights of linear layers are bf16 inside, and what they were afterwards.

    Autocast would round a weight anew, and keep the rounded copy, at each use of it.
    """
    weights = {layer.weight: layer.weight.data for layer in _linear_layers(model)}
    try:
        for weight, values in weights.items():
            weight.data = values.bfloat16()
        yield
    finally:
        for weight, values in weights.items():
            weight.data = values


def _linear_layers(module: nn.Module) -> Iterator[nn.Linear]:
    """Those below no module with parameters of its own, which reads its children as they are."""
    if type(module) is nn.Linear:
        yield module
    elif next(module.parameters(recurse=False), None) is None:
        for child in module.children():
            yield from _linear_layers(child)
