"""Pages with pictures that move: their scripts are written and loaded, by these pages alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils.nodes import document
from sphinx.application import Sphinx

from earlyglow_book.chapters.explorer.scripts import write_scripts

_VEGA = ("vega/vega.min.js", "vega/vega-lite.min.js", "vega_views.js")
# The style sheet of each page, and its scripts in the order in which they run.
_MOVING = {
    "notebooks/explorer": (
        "explorer.css",
        (*_VEGA, "explorer/index.js", "explorer_charts.js", "explorer.js"),
    ),
    "notebooks/idea": ("moving_density.css", (*_VEGA, "moving_density.js")),
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.connect("builder-inited", _write)
    app.connect("html-page-context", _load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx) -> None:
    if app.builder.format == "html":
        write_scripts(Path(app.outdir, "_static", "explorer"))


def _load(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: document | None
) -> None:
    if page in _MOVING:
        style, scripts = _MOVING[page]
        app.add_css_file(style)
        for name in scripts:
            app.add_js_file(name, loading_method="defer")
