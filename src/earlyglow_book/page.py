"""What a notebook shows: its parameters, and numbers that the book's text can cite."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from IPython.display import HTML, display

from earlyglow_book.deferred import pd
from earlyglow_book.experiment import Chapter
from earlyglow_book.flow_runs.flows import FlowSpec
from earlyglow_book.parameters import declared
from earlyglow_book.tables.texts import typeset

if TYPE_CHECKING:
    from earlyglow_book.tables.claims import Claim


def parameter_table(chapter: Chapter) -> HTML:
    """The resolved parameters of a chapter, with the values that each may have and its meaning."""
    known, values = declared(type(chapter)), chapter.parameters()
    rows = [(values[p.name], p.allowed or p.type, p.meaning) for p in known.values()]
    index = pd.Index(known, name="parameter")
    # As objects: numbers alone would all become floats, a seed of 0 among them.
    table = pd.DataFrame(rows, index, ["value", "allowed", "meaning"], dtype=object)
    # pandas cuts long cells, and the meanings are sentences.
    with pd.option_context("display.max_colwidth", None):
        return HTML(table.to_html())


def claim_cards(claims: Sequence[Claim]) -> HTML:
    """The claims for readers: a verdict, a sentence and a number each; what was run folded."""
    cards = []
    for claim in claims:
        text, verdict, number, tested = _in_html(claim)
        cards.append(
            f'<div class="claim {_kind(claim)}"><p><strong>{text}</strong></p>'
            f'<p class="claim-verdict">{verdict}</p><p>{number}</p>'
            f"<details><summary>What was tested</summary><p>{tested}</p></details></div>"
        )
    return HTML("\n".join(cards))


def folded_claims(claims: Sequence[Claim]) -> HTML:
    """Many claims for readers: each a line with its verdict that opens to its number and test."""
    cards = []
    for claim in claims:
        text, verdict, number, tested = _in_html(claim)
        cards.append(
            f'<details class="claim {_kind(claim)}"><summary><strong>{text}</strong>: '
            f'<span class="claim-verdict">{verdict}</span></summary>'
            f"<p>{number}</p><p>{tested}</p></details>"
        )
    return HTML("\n".join(cards))


def claims_under_topics(topics: Mapping[str, Sequence[Claim]]) -> HTML:
    """Very many claims for readers: a line for each topic that counts and opens to its claims."""
    groups = []
    for topic, claims in topics.items():
        counts = Counter(str(claim.judgement.verdict) for claim in claims)
        verdicts = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
        groups.append(
            f'<details class="claims"><summary><strong>{html.escape(topic)}</strong> '
            f"({verdicts})</summary>{folded_claims(claims).data}</details>"
        )
    return HTML("\n".join(groups))


def _kind(claim: Claim) -> str:
    """The class that colours a card's edge."""
    return claim.judgement.verdict.name.lower()


def _in_html(claim: Claim) -> tuple[str, str, str, str]:
    """Sentence, verdict, number, and what was tested, with what HTML needs escaped."""
    tested = f"{claim.test}. Known from: {claim.source}."
    parts = (claim.text, str(claim.judgement), claim.number, tested)
    text, verdict, number, tested = (html.escape(typeset(part)) for part in parts)
    return text, verdict, number, tested


def glue_all(texts: Mapping[str, str]) -> None:
    """:func:`glue` for each of several texts."""
    for name, text in texts.items():
        glue(name, text)


def glue(name: str, text: str) -> None:
    """Keep a short text under a name for ``{glue:text}`` in the page, without showing it here.

    The output is what ``myst_nb.glue(..., display=False)`` writes; notebooks thus run where the
    book's packages are not installed. Negative numbers get the minus sign of print.
    """
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({f"{prefix}text/plain": repr(typeset(text))}, raw=True, metadata=metadata)


def describe_flow(spec: FlowSpec) -> str:
    """Which flow it is and how large: "DenseGlow (steps 10, ...), 1,331,235 parameters"."""
    flow = spec.outline()
    sizes = ", ".join(f"{name} {size}" for name, size in spec.sizes.items())
    tensors = list(flow.parameters())
    count = sum(tensor.numel() for tensor in tensors)
    return f"{type(flow).__name__} ({sizes}): {count:,} parameters in {len(tensors)} tensors"
