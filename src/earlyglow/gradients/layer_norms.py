"""Squared norms of the gradient with respect to each parameter tensor, for each group of images."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from earlyglow.checks import require_choice, require_whole, unknown
from earlyglow.gradients.auto import plan_of, planned_norms
from earlyglow.gradients.batched import batched_norms
from earlyglow.gradients.independence import require_independent
from earlyglow.gradients.loop import loop_norms
from earlyglow.gradients.memory import Need, free_bytes, need_of
from earlyglow.gradients.model_state import (
    bf16_linear_weights,
    evaluating,
    plain_gradients,
    values_kept,
)
from earlyglow.gradients.objectives import (
    OBJECTIVES,
    Objective,
    autocast_to_bf16,
    checked,
    find_objective,
)
from earlyglow.gradients.vmap import vmap_norms
from earlyglow.image_checks import require_dtype, require_finite, require_tensor
from earlyglow.precision import float32_products
from earlyglow.progress import progress_bar
from earlyglow.threads import threads_for

_CHUNK_NUMBERS = 400_000
_LARGEST_CHUNK = 512
# A processor's memory is shared with other programs; the GPU's is this one's.
_SHARE_OF_FREE_MEMORY = {"cpu": 0.25, "cuda": 0.8}

Backend = Literal["auto", "loop", "vmap", "batched"]
Precision = Literal["float32", "tf32", "bf16"]


_Norms = Callable[[nn.Module, Tensor, tuple[int, ...], Objective], dict[int, Tensor]]
_METHODS: dict[str, _Norms] = {
    "loop": loop_norms,
    "vmap": vmap_norms,
    "batched": batched_norms,
}
# What a model needs is measured once for each way of asking.
_known_needs: weakref.WeakKeyDictionary[nn.Module, dict[Hashable, Need]] = (
    weakref.WeakKeyDictionary()
)


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
    backend: Backend = "auto",
    objective: str | Objective = "log_prob",
    chunk_size: int | None = None,
    max_memory: int | None = None,
    precision: Precision = "float32",
) -> LayerNorms:
    """Squared norms ``‖∇_{θ_l} Σ_i f(x_i)‖²`` for each parameter tensor l and each group of images.

    A group is ``group_size`` consecutive images, and its gradient is that of the sum of the
    objective over the group; images left over at the end are dropped. The model is put in
    evaluation mode for the call, and neither its weights nor its gradients change. Gradient hooks
    on parameters and modules are not run. Magnitudes of complex gradients are squared, and squares
    are added up in float32 at least.

    Args:
        model: any module with ``log_prob(x) -> (N,)`` (or with what the objective calls) that
            treats the images of a batch independently.
        x: images (N, ...), as the model takes them, on any device.
        group_size: images in a group, 1 to N.
        backend: "auto" takes the batched way for every tensor that has a rule, and ``torch.func``
            or one backward pass per group for the others, which it names in a warning; found out
            once for each model. "batched" (one backward pass for all), "vmap" (``torch.func``) and
            "loop" (one backward pass per group, the truth) take that way alone.
        objective: "log_prob", "sum_z" (the released code's), or a callable (model, x) -> (N,).
        chunk_size: images in one pass; changes no result beyond rounding. Where omitted, as many
            as ``max_memory`` allows, and on a processor no more than hold about 400,000 numbers,
            at most 512.
        max_memory: bytes of tensors that the call may hold at once, though one complete group is
            always taken; a quarter of the free memory where omitted, on a GPU four fifths.
        precision: "float32" computes in the model's own type. "tf32" lets a GPU multiply float32
            numbers with 10 bits. "bf16" rounds the factors of convolutions, linear layers and the
            norms' products to bf16 and adds up in float32: faster where the device multiplies
            bf16, and a little off. "tf32" and "bf16": batched backend only.

    Returns:
        LayerNorms with values (N // group_size, L) on the model's device.

    Raises:
        TypeError: ``x`` is no tensor or of a type that the model does not take, or the model no
            module or without what the objective calls.
        ValueError: an image holds NaN or infinity, unknown backend, objective or precision, no
            complete group, a model that draws noise, mixes the images of a batch or gives numbers
            without a gradient, or a way that cannot handle the model.

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
    backend: Backend = "auto",
    objective: str | Objective = "log_prob",
    chunk_size: int | None = None,
    max_memory: int | None = None,
    precision: Precision = "float32",
) -> dict[int, LayerNorms]:
    """:func:`layer_gradient_norms` for several group sizes at the price of one backward pass."""
    require_tensor(x)
    if not isinstance(group_sizes, Sequence) or not group_sizes:
        raise ValueError(
            f"group_sizes is {group_sizes!r}, but it must be a list of whole numbers, such as "
            "[1, 5]."
        )
    sizes = tuple(dict.fromkeys(group_sizes))
    _check_choices(backend, precision, chunk_size, max_memory)
    _check_sizes(sizes, x)
    parameter = _first_parameter(model, precision)
    named = find_objective(objective, model)
    key = (backend, named, precision) if named in OBJECTIVES.values() else None
    rows: dict[int, list[Tensor]] = {size: [] for size in sizes}
    x = x.to(parameter.device)
    with ExitStack() as stack:
        stack.enter_context(threads_for(min(len(x), _LARGEST_CHUNK) * x[0].numel()))
        stack.enter_context(evaluating(model))
        kept = stack.enter_context(values_kept(model))
        stack.enter_context(plain_gradients(model))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # What was made in inference mode can be no part of a graph.
        x = x.clone() if x.is_inference() else x
        differentiated = checked(named)
        try:
            require_independent(model, x, differentiated, key=named)
        except RuntimeError as error:
            require_dtype(x, model)
            if not x.is_floating_point() and "type" in str(error):
                raise TypeError(
                    f"the images have dtype {x.dtype} and {type(model).__name__} takes "
                    f"{parameter.dtype}; pass images.to({parameter.dtype}), scaled as in training."
                ) from error
            raise
        method = _method(backend, model, x, differentiated, named, precision)
        stack.enter_context(float32_products("tf32" if precision == "tf32" else "ieee"))
        if precision == "bf16":
            stack.enter_context(bf16_linear_weights(model))
            differentiated = autocast_to_bf16(differentiated)
        norms_of = partial(_norms_of, method, model, differentiated)
        budget = max_memory and max(max_memory - kept, 1)
        limit = _largest_chunk(model, x, norms_of, key, budget)
        progress = stack.enter_context(progress_bar(len(x), "gradient norms", "image"))
        chunk_size = min(chunk_size or _usual_chunk(x), limit)
        for together in _compatible(sizes, chunk_size):
            for chunk, complete in _chunks(x, together, chunk_size):
                for size, values in norms_of(chunk, complete).items():
                    rows[size].append(values.detach())
                progress.update(len(chunk))
    names = tuple(name for name, _ in model.named_parameters())
    norms = {size: LayerNorms(torch.cat(rows[size]), names, size) for size in sizes}
    if not all(found.values.isfinite().all() for found in norms.values()):
        require_finite(x)
    return norms


def _method(
    backend: str, model: nn.Module, x: Tensor, objective: Objective, key: Objective, precision: str
) -> _Norms:
    """The function that takes the norms of a chunk."""
    if backend != "auto":
        return _METHODS[backend]
    plan = plan_of(model, x, objective, key)
    if plan.rest and precision != "float32":
        raise ValueError(
            f"precision is {precision!r}, but {', '.join(sorted(plan.rest)[:3])} of "
            f"{type(model).__name__} cannot go the batched way; use precision='float32'."
        )
    return partial(planned_norms, plan)


def _check_choices(
    backend: str, precision: str, chunk_size: int | None, max_memory: int | None
) -> None:
    if backend not in get_args(Backend):
        raise ValueError(unknown("backend", backend, get_args(Backend)))
    require_choice("precision", precision, get_args(Precision))
    if precision != "float32" and backend not in ("auto", "batched"):
        raise ValueError(
            f"precision is {precision!r}, but backend {backend!r} computes in the model's own "
            "type; use backend='batched' or precision='float32'."
        )
    for name, value in (("chunk_size", chunk_size), ("max_memory", max_memory)):
        if value is not None:
            require_whole(name, value, 1)


def _check_sizes(sizes: tuple[int, ...], x: Tensor) -> None:
    for size in sizes:
        require_whole("group_size", size, 1)
        if size > len(x):
            raise ValueError(
                f"group_size is {size}, but there are only {len(x)} images; give at least one "
                "complete group."
            )


def _first_parameter(model: nn.Module, precision: str) -> nn.Parameter:
    """A parameter that stands for the model's device and type."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"the model is {model!r:.60}, but a torch.nn.Module is needed: an instance of one, "
            "with log_prob."
        )
    for name, p in model.named_parameters():
        if is_lazy(p) or p.is_meta:
            raise ValueError(
                f"parameter {name} of {type(model).__name__} has no values yet; initialise it, for "
                "a lazy layer by calling the model once."
            )
        if not (p.is_floating_point() or p.is_complex()):
            raise ValueError(
                f"parameter {name} of {type(model).__name__} is {p.dtype}, which has no gradient; "
                "make it a buffer."
            )
    parameter = next(model.parameters(), None)
    if parameter is None:
        raise ValueError(f"{type(model).__name__} has no parameters, so that there are no norms.")
    if precision != "float32" and parameter.dtype != torch.float32:
        raise ValueError(
            f"precision is {precision!r}, but the model is {parameter.dtype}; call model.float() "
            "first or use precision='float32'."
        )
    return parameter


def _norms_of(
    method: _Norms, model: nn.Module, objective: Objective, x: Tensor, sizes: tuple[int, ...] = (1,)
) -> dict[int, Tensor]:
    return method(model, x, sizes, objective)


def _usual_chunk(x: Tensor) -> int:
    """On a processor, from where on it is hardly faster; a GPU is, the more it is given."""
    if x.device.type == "cuda":
        return len(x)
    return min(max(_CHUNK_NUMBERS // x[0].numel(), 1), _LARGEST_CHUNK)


def _largest_chunk(
    model: nn.Module,
    x: Tensor,
    norms_of: Callable[[Tensor], object],
    key: Hashable | None,
    max_memory: int | None,
) -> int:
    """Images that fit into the budget.

    The measurement on one image and on two also refuses, in the batched backend, layers that take
    another dimension than the batch's for the samples.
    """
    if len(x) == 1:
        return 1
    known = _known_needs.setdefault(model, {})
    layout = tuple((p.shape, p.dtype) for p in model.parameters())
    whole_key = (key, layout, x.shape[1:], x.dtype, x.device)
    need = known.get(whole_key) or need_of(norms_of, x)
    # An unnamed objective may hold the model, which would then never be freed.
    if key is not None:
        known[whole_key] = need
    share = _SHARE_OF_FREE_MEMORY.get(x.device.type, 0.25)
    budget = max_memory or int(share * free_bytes(x.device))
    return need.images_within(budget)


def _compatible(sizes: tuple[int, ...], chunk_size: int) -> list[tuple[int, ...]]:
    """All group sizes together if a chunk can hold whole groups of each, else one by one."""
    return [sizes] if math.lcm(*sizes) <= chunk_size else [(size,) for size in sizes]


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
