"""The explorer's scripts, written beside the book's own files and loaded by its page alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils.nodes import document
from sphinx.application import Sphinx

from earlyglow_book.chapters.explorer.scripts import write_scripts

_PAGE = "notebooks/explorer"
_SCRIPTS = (
    "vega/vega.min.js",
    "vega/vega-lite.min.js",
    "explorer/index.js",
    "explorer_charts.js",
    "explorer.js",
)


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
    if page == _PAGE:
        app.add_css_file("explorer.css")
        for name in _SCRIPTS:
            app.add_js_file(name, loading_method="defer")
