"""Norms of any module: batched where a rule is right, else by ``torch.func`` or one by one.

What a model needs is found out once, on two images: which tensors the batched way answers for, as
one backward pass for each image confirms, and which way serves the others.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earlyglow.gradients.batched import RefusedError, batched_norms
from earlyglow.gradients.loop import loop_norms
from earlyglow.gradients.objectives import Objective
from earlyglow.gradients.vmap import vmap_norms

_PRICE = {
    "vmap": "by torch.func, which forms each image's whole gradient",
    "loop": "by one backward pass for each group of images",
}
_TRIED = 2
# Between two ways of adding up the same numbers; a wrong rule is off by far more.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-2}


class SlowerWayWarning(UserWarning):
    """Some tensors of a model have no rule; the message names them and what they cost."""


@dataclass(frozen=True)
class Plan:
    """How the tensors of a model are handled.

    Attributes:
        rest: names of those that the batched way does not answer for.
        way: "vmap" or "loop", for the rest.
    """

    rest: frozenset[str]
    way: str


_Plans = dict[Hashable, Plan]
_plans: weakref.WeakKeyDictionary[nn.Module, weakref.WeakKeyDictionary[Objective, _Plans]] = (
    weakref.WeakKeyDictionary()
)


def planned_norms(
    plan: Plan, model: nn.Module, x: Tensor, group_sizes: tuple[int, ...], objective: Objective
) -> dict[int, Tensor]:
    """Squared gradient norms (N // b, L) of the groups of each size b.

    Args:
        plan: of :func:`plan_of`.
        model: any module.
        x: images (N, ...).
        group_sizes: the sizes b.
        objective: a number for each image.
    """
    if not plan.rest:
        return batched_norms(model, x, group_sizes, objective)
    names = [name for name, _ in model.named_parameters()]
    others = {"vmap": vmap_norms, "loop": loop_norms}[plan.way](
        model, x, group_sizes, objective, plan.rest
    )
    places = [i for i, name in enumerate(names) if name in plan.rest]
    if len(places) == len(names):
        return others
    found = batched_norms(model, x, group_sizes, objective, plan.rest)
    for size, values in found.items():
        values[:, places] = others[size].to(values.dtype)
    return found


def plan_of(model: nn.Module, x: Tensor, objective: Objective, key: Objective) -> Plan:
    """The plan for a model, found once for each objective and layout of its parameters.

    Args:
        model: in evaluation mode.
        x: images (N, ...); two are looked at.
        objective: a number for each image.
        key: what stands for the objective from call to call.
    """
    layout = tuple((name, p.shape, p.dtype) for name, p in model.named_parameters())
    known = _plans.setdefault(model, weakref.WeakKeyDictionary()).setdefault(key, {})
    asked = (layout, x.shape[1:], x.dtype)
    if asked not in known:
        known[asked] = _found(model, x[:_TRIED], objective)
        _say(model, known[asked])
    return known[asked]


def _found(model: nn.Module, x: Tensor, objective: Objective) -> Plan:
    """Leave out what is refused, and what differs from one backward pass for each image."""
    names = [name for name, _ in model.named_parameters()]
    expected = loop_norms(model, x, (1,), objective)[1]
    rest: frozenset[str] = frozenset()
    while len(rest) < len(names):
        try:
            found = batched_norms(model, x, (1,), objective, rest)[1]
        except RefusedError as refused:
            rest |= refused.names
            continue
        tolerance = _TOLERANCE.get(expected.dtype, 5e-2)
        scale = expected.max().clamp_min(torch.finfo(expected.dtype).tiny)
        wrong = (found - expected).abs() > tolerance * expected + 1e-9 * scale
        differing = {n for n, w in zip(names, wrong.any(0).tolist(), strict=True) if w}
        if differing <= rest:
            break
        rest |= differing
    return Plan(rest, _way_of(model, x, objective, rest, expected) if rest else "")


def _way_of(
    model: nn.Module, x: Tensor, objective: Objective, rest: frozenset[str], expected: Tensor
) -> str:
    """ "vmap" where torch.func can do it and is right, else "loop"."""
    places = [i for i, (name, _) in enumerate(model.named_parameters()) if name in rest]
    try:
        found = vmap_norms(model, x, (1,), objective, rest)[1]
    except (RuntimeError, ValueError, TypeError, NotImplementedError, KeyError):
        return "loop"
    tolerance = _TOLERANCE.get(expected.dtype, 5e-2)
    right = torch.allclose(found, expected[:, places], rtol=tolerance, atol=0.0)
    return "vmap" if right else "loop"


def _say(model: nn.Module, plan: Plan) -> None:
    if plan.rest:
        names, total = sorted(plan.rest), sum(1 for _ in model.parameters())
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        others = "; the others together in one pass" if len(names) < total else ""
        warnings.warn(
            f"{len(names)} of {total} tensors of {type(model).__name__} ({shown}) are handled "
            f"{_PRICE[plan.way]}{others}.",
            SlowerWayWarning,
            stacklevel=2,
        )
