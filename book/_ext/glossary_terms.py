"""The first use of each glossary term on a page is a link that carries its definition.

In the sources nothing needs to be marked. A term that is written ``{term}`` is linked as well. The
definitions are put into the page itself, where terms.js finds them: no network is needed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_GLOSSARY = "book/glossary"
# Pages that are looked up, not read.
_UNMARKED = (_GLOSSARY, "book/api", "book/references", "book/notation")
# How each term is written in a sentence that uses it in the glossary's sense.
_WRITTEN = {
    "AUPR": r"AUPR",
    "AUROC": r"AUROCs?",
    "band": r"(?<=one )band",
    "bits per dimension": r"bits per dimension",
    "checkpoint": r"checkpoints?",
    "converged": r"converged",
    "cooling": r"cooling",
    "dequantisation": r"dequantisation|dequantised",
    "d′": r"d′",
    "energy": r"energy(?= score| of (?:its|the)(?: new)? logits)",
    "epoch": r"epochs?",
    "eval half": r"eval half",
    "fit half": r"fit half",
    "flow": r"(?<!no )(?<!any )(?<!without a )flows?",
    "FPR95": r"FPR95",
    "gradient norm": r"gradient norms?|norm of (?:its|the) gradient",
    "group": r"groups?(?= of (?:five|\d|images))",
    "guard": r"guards?",
    "ID and OOD": r"OOD|out-of-distribution",
    "interval": r"intervals?",
    "likelihood paradox": r"likelihood paradox",
    "no flow": r"without (?:a|any) flow|no flow",
    "node jackknife": r"node jackknife",
    "objective": r"objectives?",
    "placebo": r"placebo",
    "profile": r"profiles?",
    "reading": r"(?<=other )readings?|(?<=of )readings?|(?<=better )reading|readings",
    "seed": r"seeds?",
    "support overlap": r"[Ss]upport overlap",
    "temperature": r"temperature(?= 0)",
    "typicality": r"[Tt]ypicality",
}
_FORMS = {term: re.compile(rf"(?<!\w)(?:{form})(?!\w)") for term, form in _WRITTEN.items()}
_CLOSED = (
    nodes.reference,
    nodes.literal,
    nodes.math,
    nodes.Titular,
    nodes.raw,
    addnodes.pending_xref,
)


def mark_first_uses(app: Sphinx, document: nodes.document) -> None:
    """Link the first place in running text where each term is used."""
    page = app.env.docname
    if page in _UNMARKED:
        return
    wanted = dict(_FORMS)
    for text in list(_running_text(document)):
        _mark(text, wanted, page)


def _running_text(document: nodes.document) -> Iterator[nodes.Text]:
    """Text of paragraphs, but for what is a link, code or a caption in italics."""
    for paragraph in document.findall(nodes.paragraph):
        if len(paragraph.children) == 1 and isinstance(paragraph.children[0], nodes.emphasis):
            continue
        for text in paragraph.findall(nodes.Text):
            if not any(_is_closed(above) for above in _ancestors(text)):
                yield text


def _is_closed(node: nodes.Node) -> bool:
    """Whether text in it is no running text, is folded away, or is a card that is a link itself."""
    if isinstance(node, _CLOSED):
        return True
    attributes = getattr(node, "attributes", {})
    return "dropdown" in attributes.get("classes", ()) or "design_component" in attributes


def _ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def _mark(text: nodes.Text, wanted: dict[str, re.Pattern[str]], page: str) -> None:
    """Replace the first use of each wanted term in a text by a link; they are wanted no more."""
    sentence = text.astext()
    found: list[tuple[int, int, str]] = []
    for term, form in list(wanted.items()):
        match = form.search(sentence)
        if match and all(match.end() <= start or match.start() >= end for start, end, _ in found):
            found.append((*match.span(), term))
            del wanted[term]
    if not found:
        return
    parts: list[nodes.Node] = []
    done = 0
    for start, end, term in sorted(found):
        parts += [nodes.Text(sentence[done:start]), _link(sentence[start:end], term, page)]
        done = end
    text.parent.replace(text, [*parts, nodes.Text(sentence[done:])])


def _link(written: str, term: str, page: str) -> addnodes.pending_xref:
    shown = nodes.inline("", written, classes=["xref", "std", "std-term"])
    return addnodes.pending_xref(
        "", shown, refdomain="std", reftype="term", reftarget=term, refexplicit=True,
        refwarn=True, refdoc=page,
    )  # fmt: skip


def add_definitions(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Put the definitions of the terms that a page links into the page, unseen."""
    if page == _GLOSSARY or "body" not in context:
        return
    linked = sorted(set(re.findall(r'href="[^"]*#(term-[^"]+)"', context["body"])))
    known = _definitions(app.env)
    parts = [
        f'<p id="definition-{name}">{html.escape(known[name])}</p>'
        for name in linked
        if name in known
    ]
    if parts:
        context["body"] += f'<div hidden id="definitions">{"".join(parts)}</div>'


def _definitions(env: BuildEnvironment) -> dict[str, str]:
    """Each term's definition by the term's identifier."""
    if _GLOSSARY not in env.found_docs:
        return {}
    items = env.get_doctree(_GLOSSARY).findall(nodes.definition_list_item)
    return {
        name: " ".join(item.children[-1].astext().split())
        for item in items
        for term in item.findall(nodes.term)
        for name in term["ids"]
    }


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.connect("doctree-read", mark_first_uses)
    app.connect("html-page-context", add_definitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
