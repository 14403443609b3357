"""Squared norms of the gradient with respect to each parameter tensor, for each group of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from earlyglow.gradients.batched import batched_formed_bytes, batched_norms
from earlyglow.gradients.loop import loop_formed_bytes, loop_norms
from earlyglow.gradients.memory import free_bytes, need_of
from earlyglow.gradients.model_state import bf16_linear_weights, evaluating
from earlyglow.gradients.objectives import Objective, autocast_to_bf16, find_objective
from earlyglow.gradients.vmap import vmap_formed_bytes, vmap_norms
from earlyglow.progress import progress_bar
from earlyglow.settings import require_choice, require_least, require_whole, unknown

_CHUNK_NUMBERS = 200_000
_LARGEST_CHUNK = 256
_SHARE_OF_FREE_MEMORY = 0.5

Backend = Literal["loop", "vmap", "batched"]
Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class _Method:
    """A backend: its function, and the bytes of weight gradients it forms for each image."""

    norms: Callable[..., dict[int, Tensor]]
    formed_bytes: Callable[[nn.Module], int]


_METHODS: dict[str, _Method] = {
    "loop": _Method(loop_norms, loop_formed_bytes),
    "vmap": _Method(vmap_norms, vmap_formed_bytes),
    "batched": _Method(batched_norms, batched_formed_bytes),
}


@dataclass(frozen=True)
class LayerNorms:
    """Squared L2 norms of gradients.

    Attributes:
        values: (G, L), one row per group of images and one column per parameter tensor.
        names: the L names, as in ``model.named_parameters()``.
        group_size: images in a group.
    """

    values: Tensor
    names: tuple[str, ...]
    group_size: int


def layer_gradient_norms(
    model: nn.Module,
    x: Tensor,
    group_size: int = 1,
    backend: Backend = "batched",
    objective: str | Objective = "log_prob",
    chunk_size: int | None = None,
    max_memory: int | None = None,
    precision: Precision = "float32",
) -> LayerNorms:
    """Squared norms ``‖∇_{θ_l} Σ_i f(x_i)‖²`` for each parameter tensor l and each group of images.

    A group is ``group_size`` consecutive images, and its gradient is that of the sum of the
    objective over the group; images left over at the end are dropped. The model is put in
    evaluation mode for the call, and neither its weights nor its gradients change.

    Args:
        model: any module with ``log_prob(x) -> (N,)`` (or with what the objective calls) that
            treats the images of a batch independently.
        x: images (N, ...), as the model takes them, on any device.
        group_size: images in a group, 1 to N.
        backend: "loop" (one backward pass per group), "vmap" (``torch.func``) or "batched" (one
            backward pass for all).
        objective: "log_prob", "sum_z" (the released code's), or a callable (model, x) -> (N,).
        chunk_size: images in one pass; changes no result beyond rounding. Where omitted, as many
            as hold about 200,000 numbers, at most 256, and no more than ``max_memory`` allows.
        max_memory: bytes of tensors that the call may hold at once, though one complete group is
            always taken; half of the free memory where omitted.
        precision: "float32" computes in the model's own type. "bf16" rounds the factors of
            convolutions, linear layers and the norms' products to bf16 and adds up in float32:
            faster where the processor multiplies bf16, and a little off. Batched backend only.

    Returns:
        LayerNorms with values (N // group_size, L) on the model's device.

    Raises:
        ValueError: unknown backend, objective or precision, no complete group, or (batched) a
            parameter whose layer cannot be handled.

    Source: arXiv 2502.00820, section on layer-wise gradient norms (after arXiv 2403.01485).

    Examples:
        >>> from earlyglow.flows import Glow
        >>> model = Glow(image_shape=(1, 4, 4), levels=1, steps=1, hidden=2)
        >>> layer_gradient_norms(model, torch.zeros(6, 1, 4, 4), group_size=3).values.shape
        torch.Size([2, 17])
    """
    return layer_gradient_norms_by_group(
        model, x, (group_size,), backend, objective, chunk_size, max_memory, precision
    )[group_size]


def layer_gradient_norms_by_group(
    model: nn.Module,
    x: Tensor,
    group_sizes: Sequence[int],
    backend: Backend = "batched",
    objective: str | Objective = "log_prob",
    chunk_size: int | None = None,
    max_memory: int | None = None,
    precision: Precision = "float32",
) -> dict[int, LayerNorms]:
    """:func:`layer_gradient_norms` for several group sizes at the price of one backward pass."""
    if backend not in get_args(Backend):
        raise ValueError(unknown("backend", backend, get_args(Backend)))
    require_choice("precision", precision, get_args(Precision))
    if precision == "bf16" and backend != "batched":
        raise ValueError(
            f"precision is 'bf16', but backend {backend!r} computes in the model's own type; use "
            "backend='batched' or precision='float32'."
        )
    for name, value in (("chunk_size", chunk_size), ("max_memory", max_memory)):
        if value is not None:
            require_whole(name, value, 1)
    sizes = tuple(group_sizes)
    for size in sizes:
        require_least("group_size", size, 1)
        if size > len(x):
            raise ValueError(
                f"group_size is {size}, but there are only {len(x)} images; give at least one "
                "complete group."
            )
    method, function = _METHODS[backend], find_objective(objective, model)
    rows: dict[int, list[Tensor]] = {size: [] for size in sizes}
    x = x.to(next(model.parameters()).device)
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.enable_grad())
        chunk_size = chunk_size or _usual_chunk(model, x, function, method, max_memory)
        if precision == "bf16":
            stack.enter_context(bf16_linear_weights(model))
            function = autocast_to_bf16(function)
        with progress_bar(len(x), "gradient norms", "image") as progress:
            for chunk, complete in _chunks(x, sizes, chunk_size):
                norms = method.norms(model, chunk, complete, function)
                for size, values in norms.items():
                    rows[size].append(values.detach())
                progress.update(len(chunk))
    names = tuple(name for name, _ in model.named_parameters())
    return {size: LayerNorms(torch.cat(rows[size]), names, size) for size in sizes}


def _usual_chunk(
    model: nn.Module, x: Tensor, objective: Objective, method: _Method, max_memory: int | None
) -> int:
    wanted = min(max(_CHUNK_NUMBERS // x[0].numel(), 1), _LARGEST_CHUNK, len(x))
    if wanted == 1:
        return wanted
    budget = max_memory or int(_SHARE_OF_FREE_MEMORY * free_bytes(x.device))
    need = need_of(model, x, objective)
    return min(need.images_within(budget, method.formed_bytes(model)), wanted)


def _chunks(
    x: Tensor, sizes: tuple[int, ...], chunk_size: int
) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
    """Chunks that no group straddles, each with the group sizes whose groups fill it."""
    together = math.lcm(*sizes)
    step = max(chunk_size // together, 1) * together
    whole = len(x) // together * together
    for start in range(0, whole, step):
        yield x[start : min(start + step, whole)], sizes
    rest = x[whole:]
    for size in sizes:
        groups = len(rest) // size
        if groups:
            yield rest[: groups * size], (size,)
