"""What a notebook shows: its parameters, and numbers that the book's text can cite."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import display


def show_parameters(parameters: Mapping[str, object]) -> None:
    """Print the resolved parameters, one line each."""
    width = max(map(len, parameters))
    for name, value in parameters.items():
        print(f"{name:<{width}}  {value}")


def glue(name: str, text: str) -> None:
    """Keep a short text under a name for ``{glue:text}`` in the page, without showing it here.

    The output is what ``myst_nb.glue(..., display=False)`` writes; notebooks thus run where the
    book's packages are not installed.
    """
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({f"{prefix}text/plain": repr(text)}, raw=True, metadata=metadata)
