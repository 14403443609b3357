"""What a claim of a paper is, and how near counts as equal."""

from __future__ import annotations

from dataclasses import dataclass

# An AUROC this much lower still counts as equal.
MARGIN = 0.02


@dataclass(frozen=True)
class Claim:
    """A claim, what was done about it, and what came out.

    Attributes:
        text: the claim in our words.
        source: where it is known from: "digest" of the paper, or its public "code".
        test: what was run.
        number: our number with its interval, and what it is of.
        verdict: by the rule of the claim.
    """

    text: str
    source: str
    test: str
    number: str
    verdict: str
