"""Pictures that a notebook draws become numbered figures with the caption that follows them.

In a notebook the caption is a paragraph in italics below the cell, so that it is read there too.
"""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


def number_figures(app: Sphinx, document: nodes.document) -> None:
    """Wrap every drawn picture of a page with its caption, so that Sphinx numbers it."""
    page = app.env.docname
    for count, cell in enumerate(_drawing_cells(document), start=1):
        caption = _take_caption(cell)
        if caption is None:
            _log.warning("a picture has no caption in italics below it", location=cell)
            continue
        pictures = list(cell.findall(nodes.image))
        for place, picture in enumerate(pictures):
            figure = nodes.figure(align="default")
            picture.replace_self(figure)
            figure += picture
            # One caption for all pictures of a cell, below the last.
            if place == len(pictures) - 1:
                figure += caption
                figure["ids"] = [f"{page.rpartition('/')[2].replace('_', '-')}-figure-{count}"]


def _drawing_cells(document: nodes.document) -> Iterator[nodes.Element]:
    """Code cells whose output has a picture."""
    for cell in list(document.findall(nodes.container)):
        if cell.get("nb_element") == "cell_code" and any(cell.findall(nodes.image)):
            yield cell


def _take_caption(cell: nodes.Element) -> nodes.caption | None:
    """The paragraph in italics that follows a cell, taken out of the page."""
    siblings = cell.parent.children
    place = siblings.index(cell) + 1
    paragraph = siblings[place] if place < len(siblings) else None
    if not isinstance(paragraph, nodes.paragraph) or len(paragraph.children) != 1:
        return None
    (emphasis,) = paragraph.children
    if not isinstance(emphasis, nodes.emphasis):
        return None
    paragraph.parent.remove(paragraph)
    caption = nodes.caption()
    caption += [child.deepcopy() for child in emphasis.children]
    return caption


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", number_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
