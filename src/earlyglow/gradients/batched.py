"""Every sample's squared gradient norms from one forward and one backward pass of the batch.

Each layer with parameters is watched: its input and outputs are kept in the forward pass, and
when the gradient with respect to its outputs arrives in the backward pass, the layer's rule turns
them into the parameters' gradients for each sample, whose norms are taken at once. No gradient of
the whole batch with respect to a weight is ever formed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook
from torch.utils._pytree import tree_leaves, tree_map_only

from earlyglow.gradients.contributions import Contribution, Dense, squared_norm, total
from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import Objective
from earlyglow.gradients.rules import Rule, Use, by_vmap, registered_rule
from earlyglow.gradients.sequence_rules import OF_WHOLE_CALLS

# The file of the code that PyTorch wraps around hooks of several tensors.
_OF_SEVERAL = register_multi_grad_hook.__code__.co_filename


class RefusedError(ValueError):
    """Parameters that no rule can answer for; ``names`` are theirs."""

    def __init__(self, message: str, names: Iterable[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)


def batched_norms(
    model: nn.Module,
    x: Tensor,
    group_sizes: tuple[int, ...],
    objective: Objective,
    left_out: Collection[str] = (),
) -> dict[int, Tensor]:
    """Squared gradient norms (N // b, L) of the groups of each size b.

    Args:
        model: whose parameters are differentiated.
        x: images (N, ...).
        group_sizes: the sizes b.
        objective: a number for each image.
        left_out: names of parameters whose columns stay zero.

    Raises:
        RefusedError: a parameter's layer cannot be handled; the parameter is named.
    """
    watch = _Watch(model, len(x), group_sizes, left_out)
    # Inside the layers the parameters are frozen, so that the graph has to start at the images.
    start = x.detach().requires_grad_() if x.is_floating_point() else x
    with all_requiring_grad(model), watch.attached():
        total = objective(model, start).sum()
        watch.end_forward(total)
        leaves = [start, *watch.leaves] if start.requires_grad else watch.leaves
        if leaves and total.requires_grad:
            # Else gradients would be left on whatever else the objective reads.
            total.backward(inputs=leaves)
    return watch.norms()


@dataclass(frozen=True)
class _Watched:
    """A layer whose parameters one rule answers for; ``names`` maps own to the model's names."""

    layer: nn.Module
    rule: Rule
    parameters: tuple[nn.Parameter, ...]
    names: dict[str, str]

    def refusal(self, reason: str) -> RefusedError:
        return RefusedError(
            f"the batched backend cannot handle {', '.join(self.names.values())} of "
            f"{type(self.layer).__name__}: {reason}; use backend='auto'.",
            self.names.values(),
        )


def _watched_layers(
    model: nn.Module, names: dict[nn.Parameter, str], left_out: Collection[str]
) -> list[_Watched]:
    """The outermost modules with a rule, and below them none; else every owner of parameters.

    A module with a parameter that is left out has none of its own watched.
    """
    found: dict[nn.Module, _Watched] = {}

    def visit(module: nn.Module) -> None:
        if module in found:
            return
        rule = registered_rule(module)
        own = dict(module.named_parameters(recurse=rule is not None))
        if any(names[parameter] in left_out for parameter in own.values()):
            own, rule = {}, None
        if own:
            named = {own_name: names[parameter] for own_name, parameter in own.items()}
            found[module] = _Watched(module, rule or by_vmap, tuple(own.values()), named)
        if rule is None:
            for child in module.children():
                visit(child)

    visit(model)
    return list(found.values())


class _Phase(Enum):
    FORWARD = auto()
    CHECKING = auto()
    BACKWARD = auto()


class _Watch:
    """The layers of a model, what they were given, and the norms found so far.

    Attributes:
        leaves: outputs at which the graph starts, because no input of theirs needs a gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        samples: int,
        group_sizes: tuple[int, ...],
        left_out: Collection[str],
    ) -> None:
        self.samples, self.group_sizes = samples, group_sizes
        self.names = {parameter: name for name, parameter in model.named_parameters()}
        self.layers = _watched_layers(model, self.names, left_out)
        self.watched_names = {n for watched in self.layers for n in watched.names.values()}
        self.pending: Counter[str] = Counter()
        self.partial: dict[str, list[Contribution]] = {}
        self.found: dict[int, dict[str, Tensor]] = {size: {} for size in group_sizes}
        self.leaves: list[Tensor] = []
        self._phase = _Phase.FORWARD
        self._applying_rule = False
        self._frozen: Counter[nn.Parameter] = Counter()
        self._hooks = ExitStack()
        self._versions_given: dict[nn.Module, int] = {}
        self._versions: list[tuple[_Watched, str, Tensor, int]] = []
        self._hooked: list[tuple[_Watched, Tensor, int]] = []

    @contextmanager
    def attached(self) -> Iterator[None]:
        # A hook on a tensor holds the graph that holds the hook: a cycle that Python cannot see
        # through, so that every hook has to be removed or the batch's memory is never freed.
        with self._hooks:
            for watched in self.layers:
                if isinstance(watched.layer, torch.jit.ScriptModule):
                    raise watched.refusal("a scripted module takes no hooks")
                if any(parameter.is_complex() for parameter in watched.parameters):
                    raise watched.refusal("rules are of real numbers")
                before = watched.layer.register_forward_pre_hook(partial(self._freeze, watched))
                self._hooks.callback(before.remove)
                # First of all hooks, so that another's change of the output is not the layer's.
                after = watched.layer.register_forward_hook(
                    partial(self._keep, watched), with_kwargs=True, prepend=True
                )
                self._hooks.callback(after.remove)
            yield

    def end_forward(self, total: Tensor) -> None:
        """Refuse what no rule has seen, and let go of all outputs.

        A parameter that requires a gradient here was used outside of its layer's forward: as
        ``F.linear(x, layer.weight)``, say.
        """
        self._phase = _Phase.CHECKING
        asked = {p: name for p, name in self.names.items() if name in self.watched_names}
        if asked and total.requires_grad:
            outside = torch.autograd.grad(total, list(asked), allow_unused=True, retain_graph=True)
            used = [n for n, g in zip(asked.values(), outside, strict=True) if g is not None]
            if used:
                raise RefusedError(
                    f"the batched backend cannot handle {', '.join(used)}: used outside of its "
                    "layer's forward; use backend='auto'.",
                    used,
                )
        for watched, what, tensor, version in self._versions:
            if tensor._version != version:
                raise watched.refusal(f"its {what} was changed in place afterwards")
        for watched, output, hooks in self._hooked:
            if _hooks_of(output) != hooks:
                # Ours comes first, and would be given what the other then changes.
                raise watched.refusal("a gradient hook was put on its output afterwards")
        self._versions.clear()
        self._hooked.clear()
        self._phase = _Phase.BACKWARD

    def norms(self) -> dict[int, Tensor]:
        """Norms in the order of the model's parameters; zero where no gradient arrived."""
        left = [name for name, count in self.pending.items() if count]
        # A use whose outputs do not reach the objective leaves its parameters pending.
        for name in left:
            if name in self.partial:
                self._finish(name)
        return {
            size: torch.stack(
                [
                    found[name] if name in found else _zeros(parameter, self.samples // size)
                    for parameter, name in self.names.items()
                ],
                dim=1,
            )
            for size, found in self.found.items()
        }

    def _freeze(self, watched: _Watched, layer: nn.Module, args: Any) -> None:
        """Forward pre-hook: inside the layer its parameters need no gradient."""
        if self._applying_rule:
            return
        self._frozen.update(watched.parameters)
        for parameter in watched.parameters:
            parameter.requires_grad_(False)
        if args and isinstance(args[0], Tensor):
            self._versions_given[watched.layer] = args[0]._version

    def _unfreeze(self, watched: _Watched) -> None:
        """A layer inside the layer may hold the same parameter: the outer one has the last word."""
        self._frozen.subtract(watched.parameters)
        for parameter in watched.parameters:
            if not self._frozen[parameter]:
                parameter.requires_grad_()

    def _keep(self, watched: _Watched, _: Any, args: Any, kwargs: Any, result: Any) -> Any:
        """Forward hook: remember input and outputs, and wait for the outputs' gradients."""
        if self._applying_rule:
            return None
        self._unfreeze(watched)
        # A checkpoint runs layers again in the backward pass; their first run was watched.
        if self._phase is not _Phase.FORWARD or not torch.is_grad_enabled():
            return None
        outputs = self._outputs(watched, args, kwargs, result)
        self.leaves += [output.requires_grad_() for output in outputs if not output.requires_grad]
        if len(outputs) > 1:
            # The gradient of an output must not hold what reached it through another.
            result = tree_map_only(Tensor, lambda output: output.view_as(output), result)
            outputs = tuple(v for v in tree_leaves(result) if v is not None)
        self._watch_use(watched, args, kwargs, outputs)
        return result

    def _outputs(
        self, watched: _Watched, args: Any, kwargs: Any, result: Any
    ) -> tuple[Tensor, ...]:
        """What the layer returned, where its rule can take the call."""
        if watched.rule in OF_WHOLE_CALLS:
            outputs = tuple(v for v in tree_leaves(result) if v is not None)
            if not all(isinstance(output, Tensor) for output in outputs):
                raise watched.refusal("its outputs are no tensors")
        else:
            self._require_one_input(watched, args, kwargs)
            outputs = result if isinstance(result, tuple) else (result,)
            if not all(self._of_samples(output) for output in outputs):
                raise watched.refusal("its outputs are not (N, ...)")
        if not all(output.is_floating_point() or output.is_complex() for output in outputs):
            raise watched.refusal("an output of it has no gradient")
        return outputs

    def _watch_use(
        self, watched: _Watched, args: Any, kwargs: Any, outputs: tuple[Tensor, ...]
    ) -> None:
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        for what, tensors in (("output", outputs), ("input", inputs)):
            self._versions += [(watched, what, tensor, tensor._version) for tensor in tensors]
        self.pending.update(watched.names.values())
        given, named, results = tree_map_only(Tensor, Tensor.detach, (args, kwargs, outputs))
        first = inputs[0].detach()

        def arrive(gradients: Any) -> None:
            if self._phase is _Phase.CHECKING:
                return
            if self._phase is _Phase.FORWARD:
                raise watched.refusal("the objective takes gradients in its forward pass")
            self._applying_rule = True
            with torch.no_grad():
                self._contribute(watched, Use(first, results, tuple(gradients), given, named))
            self._applying_rule = False

        self._hooks.callback(register_multi_grad_hook(outputs, arrive).remove)
        self._hooked += [(watched, output, _hooks_of(output)) for output in outputs]

    def _contribute(self, watched: _Watched, use: Use) -> None:
        arrived = any(gradient is not None for gradient in use.gradients)
        try:
            contributions = watched.rule(watched.layer, use) if arrived else {}
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            raise watched.refusal(str(error).partition("\n")[0]) from error
        if arrived and contributions.keys() != watched.names.keys():
            raise watched.refusal("it has other parameters than its type")
        if any(len(contribution) != self.samples for contribution in contributions.values()):
            raise watched.refusal("it is not called with all samples at once")
        for own, name in watched.names.items():
            if own in contributions:
                uses = self.partial.setdefault(name, [])
                uses.append(contributions[own])
                # Gradients of matrices take as much room for one use as for all. Factors and
                # vectors are joined once, at the end, or they would be copied at every use.
                if any(isinstance(use, Dense) and use.values.ndim > 2 for use in uses):
                    uses[:] = [total(uses)]
            self.pending[name] -= 1
            if not self.pending[name] and name in self.partial:
                self._finish(name)

    def _finish(self, name: str) -> None:
        contribution = total(self.partial.pop(name)).cheapest()
        for size in self.group_sizes:
            self.found[size][name] = contribution.grouped(size).squared_norm()

    def _require_one_input(self, watched: _Watched, args: Any, kwargs: Any) -> None:
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        # A registered rule knows nothing of options.
        alone = watched.rule is by_vmap or (len(args) == 1 and not kwargs)
        if not alone or len(tensors) != 1 or not args or args[0] is not tensors[0]:
            raise watched.refusal("it is not called with exactly one tensor")
        if not self._of_samples(args[0]):
            raise watched.refusal("its input is not (N, ...)")
        if args[0]._version != self._versions_given.pop(watched.layer, args[0]._version):
            raise watched.refusal("it changes its input in place")

    def _of_samples(self, values: Any) -> bool:
        return isinstance(values, Tensor) and values.shape[:1] == (self.samples,)


def _hooks_of(tensor: Tensor) -> int:
    """How many hooks of a tensor may change its gradient; those of several tensors may not."""
    hooks = (tensor._backward_hooks or {}).values()
    codes = (getattr(hook, "__code__", None) for hook in hooks)
    return sum(code is None or code.co_filename != _OF_SEVERAL for code in codes)


def _zeros(parameter: Tensor, count: int) -> Tensor:
    """Norms of nothing, in the type that norms of the parameter have."""
    zero = torch.zeros(1, dtype=parameter.dtype, device=parameter.device)
    return squared_norm(zero).expand(count)
