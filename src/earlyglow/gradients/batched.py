"""Every sample's squared gradient norms from one forward and one backward pass of the batch.

Each layer with parameters is watched: its input is kept in the forward pass, and when the
gradient with respect to its outputs arrives in the backward pass, the layer's rule turns both
into the parameters' gradients for each sample, whose norms are taken at once. No gradient of the
whole batch with respect to a weight is ever formed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook

from earlyglow.gradients.contributions import Contribution, add
from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import Objective
from earlyglow.gradients.rules import find_rule


def batched_norms(
    model: nn.Module, x: Tensor, group_sizes: tuple[int, ...], objective: Objective
) -> dict[int, Tensor]:
    """Squared gradient norms (N // b, L) of the groups of each size b.

    Raises:
        ValueError: a parameter's layer cannot be handled; the parameter is named.
    """
    watch = _Watch(model, len(x), group_sizes)
    # Inside the layers the parameters are frozen, so that the graph has to start at the images.
    start = x.detach().requires_grad_() if x.is_floating_point() else x
    with all_requiring_grad(model), watch.attached():
        total = objective(model, start).sum()
        watch.end_forward(total)
        if total.requires_grad:
            total.backward()
    return watch.norms(x)


class _Watch:
    """The layers of a model, what they were given, and the norms found so far."""

    def __init__(self, model: nn.Module, samples: int, group_sizes: tuple[int, ...]) -> None:
        self.model, self.samples, self.group_sizes = model, samples, group_sizes
        self.names = {parameter: name for name, parameter in model.named_parameters()}
        self.pending: Counter[str] = Counter()
        self.partial: dict[str, Contribution] = {}
        self.found: dict[int, dict[str, Tensor]] = {size: {} for size in group_sizes}
        self.applying_rule = False
        self._hooks = ExitStack()
        self._outputs: list[tuple[nn.Module, Tensor, int]] = []

    @contextmanager
    def attached(self) -> Iterator[None]:
        # A hook on a tensor holds the graph that holds the hook: a cycle that Python cannot see
        # through, so that every hook has to be removed or the batch's memory is never freed.
        with self._hooks:
            for layer in self.model.modules():
                if next(layer.parameters(recurse=False), None) is not None:
                    before = layer.register_forward_pre_hook(self._freeze)
                    self._hooks.callback(before.remove)
                    after = layer.register_forward_hook(self._keep, with_kwargs=True)
                    self._hooks.callback(after.remove)
            yield

    def end_forward(self, total: Tensor) -> None:
        """Refuse what no rule has seen, and let go of all outputs.

        A parameter that requires a gradient here was used outside of its layer's forward: as
        ``F.linear(x, layer.weight)``, say.
        """
        if total.requires_grad:
            outside = torch.autograd.grad(
                total, list(self.names), allow_unused=True, retain_graph=True
            )
            used = [n for n, g in zip(self.names.values(), outside, strict=True) if g is not None]
            if used:
                raise ValueError(
                    f"the batched backend cannot handle {', '.join(used)}: used outside of its "
                    "layer's forward; use backend='vmap' or 'loop'."
                )
        for layer, output, version in self._outputs:
            if output._version != version:
                reason = "its output was changed in place afterwards"
                raise ValueError(self._refusal(layer, self._names_of(layer), reason))
        self._outputs.clear()

    def norms(self, x: Tensor) -> dict[int, Tensor]:
        """Norms in the order of the model's parameters; zero where no gradient arrived."""
        left = [name for name, count in self.pending.items() if count]
        # A use whose outputs do not reach the objective leaves its parameters pending.
        for name in left:
            if name in self.partial:
                self._finish(name)
        return {
            size: torch.stack(
                [
                    found.get(name, x.new_zeros(self.samples // size))
                    for name in self.names.values()
                ],
                dim=1,
            )
            for size, found in self.found.items()
        }

    def _freeze(self, layer: nn.Module, _: Any) -> None:
        """Forward pre-hook: inside the layer its parameters need no gradient."""
        if not self.applying_rule:
            for parameter in layer.parameters(recurse=False):
                parameter.requires_grad_(False)

    def _keep(self, layer: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
        """Forward hook: remember the input and wait for the outputs' gradients."""
        if self.applying_rule:
            return result
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_()
        names = self._names_of(layer)
        outputs = result if isinstance(result, tuple) else (result,)
        x = self._only_input(layer, names, args, kwargs)
        for output in outputs:
            if not isinstance(output, Tensor) or output.shape[:1] != (self.samples,):
                raise ValueError(self._refusal(layer, names, "its outputs are not (N, ...)"))
            if not output.requires_grad:
                output.requires_grad_()
            self._outputs.append((layer, output, output._version))
        self.pending.update(names.values())
        kept = x.detach()

        def arrive(gradients: Any) -> None:
            self.applying_rule = True
            with torch.no_grad():
                self._contribute(layer, names, kept, tuple(gradients))
            self.applying_rule = False

        self._hooks.callback(register_multi_grad_hook(outputs, arrive).remove)
        return result

    def _contribute(
        self,
        layer: nn.Module,
        names: dict[str, str],
        x: Tensor,
        gradients: tuple[Tensor | None, ...],
    ) -> None:
        if all(gradient is None for gradient in gradients):
            contributions = {}
        else:
            contributions = find_rule(layer)(layer, x, gradients)
        for own, name in names.items():
            if own in contributions:
                before = self.partial.get(name)
                new = contributions[own]
                self.partial[name] = new if before is None else add(before, new)
            self.pending[name] -= 1
            if not self.pending[name] and name in self.partial:
                self._finish(name)

    def _finish(self, name: str) -> None:
        contribution = self.partial.pop(name)
        for size in self.group_sizes:
            self.found[size][name] = contribution.grouped(size).squared_norm()

    def _names_of(self, layer: nn.Module) -> dict[str, str]:
        return {own: self.names[p] for own, p in layer.named_parameters(recurse=False)}

    def _only_input(
        self, layer: nn.Module, names: dict[str, str], args: Any, kwargs: Any
    ) -> Tensor:
        if kwargs or len(args) != 1 or not isinstance(args[0], Tensor):
            raise ValueError(self._refusal(layer, names, "it is called with more than one tensor"))
        if args[0].shape[:1] != (self.samples,):
            raise ValueError(self._refusal(layer, names, "its input is not (N, ...)"))
        return args[0]

    def _refusal(self, layer: nn.Module, names: dict[str, str], reason: str) -> str:
        return (
            f"the batched backend cannot handle {', '.join(names.values())} of "
            f"{type(layer).__name__}: {reason}; use backend='vmap' or 'loop'."
        )
