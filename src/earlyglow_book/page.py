"""What a notebook shows: its parameters, and numbers that the book's text can cite."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import HTML, display

from earlyglow_book.deferred import pd
from earlyglow_book.experiment import Chapter
from earlyglow_book.flow_runs.flows import FlowSpec
from earlyglow_book.parameters import declared


def parameter_table(chapter: Chapter) -> HTML:
    """The resolved parameters of a chapter, with the values that each may have and its meaning."""
    known, values = declared(type(chapter)), chapter.parameters()
    rows = [(values[p.name], p.allowed or p.type, p.meaning) for p in known.values()]
    index = pd.Index(known, name="parameter")
    table = pd.DataFrame(rows, index, ["value", "allowed", "meaning"])
    # pandas cuts long cells, and the meanings are sentences.
    with pd.option_context("display.max_colwidth", None):
        return HTML(table.to_html())


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
    flow = spec.outline()
    sizes = ", ".join(f"{name} {size}" for name, size in spec.sizes.items())
    tensors = list(flow.parameters())
    count = sum(tensor.numel() for tensor in tensors)
    return f"{type(flow).__name__} ({sizes}): {count:,} parameters in {len(tensors)} tensors"
