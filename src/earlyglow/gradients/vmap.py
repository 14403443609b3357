"""Per-group gradients by ``torch.func``: right for every module, at the price of memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from earlyglow.gradients.contributions import squared_norm
from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import Objective


class _Objective(nn.Module):
    """The objective as a module's forward, which is what ``functional_call`` replaces."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self._objective = objective

    def forward(self, x: Tensor) -> Tensor:
        return self._objective(self.model, x).sum()


def vmap_norms(
    model: nn.Module,
    x: Tensor,
    group_sizes: tuple[int, ...],
    objective: Objective,
    names: Collection[str] | None = None,
) -> dict[int, Tensor]:
    """Squared gradient norms (N // b, L) of the groups of each size b.

    Args:
        model: whose parameters are differentiated.
        x: images (N, ...).
        group_sizes: the sizes b.
        objective: a number for each image.
        names: of the parameters that are asked for; all where omitted.

    Raises:
        ValueError: the model does what torch.func cannot.
    """
    try:
        gradients_of = gradients_of_a_group(model, objective, x[:1], names)

        def norms(group: Tensor) -> Tensor:
            return torch.stack([squared_norm(gradient) for gradient in gradients_of(group)])

        return {size: vmap(norms)(_groups(x, size)) for size in group_sizes}
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"torch.func cannot handle {type(model).__name__} ({reason}); use backend='auto'."
        ) from error


def gradients_of_a_group(
    model: nn.Module,
    objective: Objective,
    example: Tensor,
    names: Collection[str] | None = None,
) -> Callable[[Tensor], list[Tensor]]:
    """The function from a group (b, ...) to the gradients of its summed objective, for ``vmap``.

    Args:
        model: whose parameters are differentiated, in their order.
        objective: a number for each image.
        example: one image (1, ...), on which the model is tried.
        names: of the parameters that are asked for; all where omitted.

    Raises:
        ValueError: a parameter is read otherwise than by its module's own attribute.
    """
    module = _Objective(model, objective)
    every = {name.removeprefix("model."): p for name, p in module.named_parameters()}
    asked = every if names is None else {n: p for n, p in every.items() if n in names}
    parameters = {name: p.detach() for name, p in asked.items()}
    places = _places(module, asked)
    buffers = {name: b.detach() for name, b in module.named_buffers()}

    def total(parameters: dict[str, Tensor], group: Tensor) -> Tensor:
        values = {place: parameters[name] for place, name in places.items()}
        return functional_call(module, (values, buffers), (group,), tie_weights=False)

    _refuse_aliases(module, asked, lambda: total(parameters, example))

    def gradients_of(group: Tensor) -> list[Tensor]:
        gradients = grad(total)(parameters, group)
        return [gradients[name] for name in parameters]

    return gradients_of


def _places(module: nn.Module, asked: Mapping[str, nn.Parameter]) -> dict[str, str]:
    """Where the parameters that are asked for are held, each place with its parameter's name.

    A module that another holds under two names is one place: what ``functional_call`` puts into
    it twice, it does not take out again.
    """
    names = {parameter: name for name, parameter in asked.items()}
    return {
        f"{path}.{own}": names[parameter]
        for path, owner in module.named_modules()
        for own, parameter in owner.named_parameters(recurse=False, remove_duplicate=False)
        if parameter in names
    }


def _refuse_aliases(
    module: nn.Module, asked: Mapping[str, nn.Parameter], with_others: Callable[[], Tensor]
) -> None:
    """Refuse parameters that are read past their attributes, where nothing can be put in place."""
    with all_requiring_grad(module), torch.enable_grad():
        total = with_others()
        if not total.requires_grad:
            return
        gradients = torch.autograd.grad(total, list(asked.values()), allow_unused=True)
    used = [name for name, g in zip(asked, gradients, strict=True) if g is not None]
    if used:
        raise ValueError(
            f"torch.func cannot handle {', '.join(used)}: read otherwise than by the module's own "
            "attribute (a list or an alias); use backend='loop', where there is a choice."
        )


def _groups(x: Tensor, size: int) -> Tensor:
    return x[: len(x) // size * size].unflatten(0, (-1, size))
