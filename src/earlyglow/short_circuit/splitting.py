"""Cut a network in two at a named module, without editing it."""

from __future__ import annotations

import difflib

from torch import fx, nn

from earlyglow.gradients.model_state import evaluating


class SplitError(ValueError):
    """A network that cannot be cut there; the message says why and what to do."""


def split(model: nn.Module, at: str) -> tuple[nn.Module, nn.Module]:
    """Divide a network after the module named ``at``: body and head, ``model = head ∘ body``.

    Both share the weights of ``model``, which is left as it is; they are traced in evaluation
    mode with ``torch.fx``.

    Args:
        model: a network with one tensor as input and one as output, such as torchvision's.
        at: a name from ``model.named_modules()``, such as "layer3.1"; its output is the features.

    Returns:
        The body, from inputs to features, and the head, from features to outputs.

    Raises:
        TypeError: ``model`` is no module.
        SplitError: there is no such module, the network cannot be traced, ``at`` is not called
            exactly once, or something else than its output reaches the layers after it.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"the network is {model!r:.60}, but a torch.nn.Module is needed.")
    names = [name for name, _ in model.named_modules() if name]
    if at not in names:
        close = difflib.get_close_matches(str(at), names, n=5, cutoff=0.0)
        raise SplitError(
            f"there is no module {at!r} among the {len(names)} of {type(model).__name__}; the "
            f"nearest are {', '.join(close)}."
        )
    graph = _traced(model)
    cut = _output_of(graph, at)
    body = fx.GraphModule(model, _body(graph, cut), "Body")
    head = fx.GraphModule(model, _head(graph, cut, at), "Head")
    return body, head


def _traced(model: nn.Module) -> fx.Graph:
    try:
        with evaluating(model):
            return fx.Tracer().trace(model)
    # Tracing runs the network's own code, which can raise anything.
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise SplitError(
            f"{type(model).__name__} cannot be traced by torch.fx ({type(error).__name__}: "
            f"{reason}); write body and head as two modules instead."
        ) from error


def _output_of(graph: fx.Graph, at: str) -> fx.Node:
    """The last node inside the only call of a module."""
    calls: dict[str, fx.Node] = {}
    for node in graph.nodes:
        for call, (module, _) in (node.meta.get("nn_module_stack") or {}).items():
            if module == at:
                calls[call] = node
    if len(calls) != 1:
        raise SplitError(
            f"the module {at!r} is called {len(calls)} times, but the network can be cut only "
            "after a module that is called once; choose the block around it."
        )
    return next(iter(calls.values()))


def _body(graph: fx.Graph, cut: fx.Node) -> fx.Graph:
    body = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        copies[node] = body.node_copy(node, copies.__getitem__)
        if node is cut:
            break
    body.output(copies[cut])
    return body


def _head(graph: fx.Graph, cut: fx.Node, at: str) -> fx.Graph:
    (returned,) = next(node for node in graph.nodes if node.op == "output").args
    if not isinstance(returned, fx.Node):
        raise SplitError(
            f"the network returns a {type(returned).__name__}, but it must return one tensor, its "
            "logits; wrap it in a module that picks them."
        )
    needed, unsplit = _ancestors(returned, cut), _reached_around(graph, cut)
    around = [node.name for node in graph.nodes if node in needed and node in unsplit]
    if around:
        raise SplitError(
            f"the value {around[0]!r} goes around {at!r}, so the network cannot be cut there; "
            "choose a module that everything passes through, such as a whole block."
        )
    head = fx.Graph()
    copies = {cut: head.placeholder("features")}
    for node in graph.nodes:
        if node in needed and node is not cut:
            copies[node] = head.node_copy(node, copies.__getitem__)
    head.output(copies[returned])
    return head


def _ancestors(node: fx.Node, stop: fx.Node) -> set[fx.Node]:
    """Everything that a node is computed from, ``stop`` being where the search ends."""
    found, waiting = {stop}, [node]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += current.all_input_nodes
    return found


def _reached_around(graph: fx.Graph, cut: fx.Node) -> set[fx.Node]:
    """Everything that the network's input reaches without passing through ``cut``."""
    reached: set[fx.Node] = set()
    for node in graph.nodes:
        if node is not cut and (
            node.op == "placeholder" or any(n in reached for n in node.all_input_nodes)
        ):
            reached.add(node)
    return reached
