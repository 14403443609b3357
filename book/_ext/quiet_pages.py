"""Keep sphinx_thebe out of the pages.

Jupyter Book always loads it. This book does not use it, and its script is added twice, which
breaks on every page with "Identifier 'THEBE_JS_URL' has already been declared".
"""

from __future__ import annotations

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.connect("builder-inited", _forget_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _forget_thebe(app: Sphinx) -> None:
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
