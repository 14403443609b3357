"""What a notebook shows: its parameters, and numbers that the book's text can cite."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import display

from earlyglow.experiments.trained_flows import FlowSpec


def show_parameters(parameters: Mapping[str, object]) -> None:
    """Print the resolved parameters, one line each."""
    width = max(map(len, parameters))
    for name, value in parameters.items():
        print(f"{name:<{width}}  {value}")


def glue_all(texts: Mapping[str, str]) -> None:
    """:func:`glue` for each of several texts."""
    for name, text in texts.items():
        glue(name, text)


def glue(name: str, text: str) -> None:
    """Keep a short text under a name for ``{glue:text}`` in the page, without showing it here.

    The output is what ``myst_nb.glue(..., display=False)`` writes; notebooks thus run where the
    book's packages are not installed.
    """
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({f"{prefix}text/plain": repr(text)}, raw=True, metadata=metadata)


def describe_flow(spec: FlowSpec) -> str:
    """Which flow it is and how large: "DenseGlow (steps 10, ...), 1,331,235 parameters"."""
    flow = spec.build(seed=0)
    sizes = ", ".join(f"{name} {size}" for name, size in spec.sizes.items())
    tensors = list(flow.parameters())
    count = sum(tensor.numel() for tensor in tensors)
    return f"{type(flow).__name__} ({sizes}): {count:,} parameters in {len(tensors)} tensors"
