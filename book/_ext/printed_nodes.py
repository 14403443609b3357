"""Every node that a page can show can also be printed.

The printed book is made by Sphinx's builder of a single page, which takes the handlers of pages
where it has none of its own. sphinx-exercise registers some for it, and then the others are missed.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.connect("config-inited", _share_handlers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _share_handlers(app: Sphinx, _: Config) -> None:
    handlers = app.registry.translation_handlers
    single = handlers.setdefault("singlehtml", {})
    for node, functions in handlers.get("html", {}).items():
        single.setdefault(node, functions)
