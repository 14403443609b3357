"""What a claim of a paper is, and the rules that judge it from an interval."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from earlyglow_book.tables.pairs import Mean

# An AUROC this much lower still counts as equal.
MARGIN = 0.02
# Fewer ID sets decide nothing.
LEAST_ID_SETS = 5
# The paper's range of the AUROC for pairs with KMNIST.
KMNIST_RANGE = (0.47, 0.66)


class Verdict(StrEnum):
    """What came out of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "not decided"
    UNTESTED = "not tested here"


@dataclass(frozen=True)
class Judgement:
    """A verdict, and the words that follow it in the text, with their own punctuation."""

    verdict: Verdict
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.verdict}{self.detail}"


@dataclass(frozen=True)
class Claim:
    """A claim, what was done about it, and what came out.

    Attributes:
        id: names it in the code; its sentence may change.
        text: the claim in our words.
        source: where it is known from: "digest" of the paper, its "abstract", or its "code".
        test: what was run.
        number: our number with its interval, and what it is of.
        judgement: by the rule of the claim.
    """

    id: str
    text: str
    source: str
    test: str
    number: str
    judgement: Judgement


def no_worse(mean: Mean) -> Judgement:
    """Whether a change of the AUROC is no loss of more than ``MARGIN``, by its interval."""
    if mean.id_sets < LEAST_ID_SETS:
        return too_few(mean.id_sets)
    judgement = _decided(mean.low > -MARGIN, mean.high < -MARGIN)
    if judgement.verdict != Verdict.HOLDS:
        return judgement
    return Judgement(Verdict.HOLDS, ": better" if mean.low > 0 else ": as good")


def greater(mean: Mean) -> Judgement:
    """Whether a number is above zero, by its interval over ID sets."""
    if mean.id_sets < LEAST_ID_SETS:
        return too_few(mean.id_sets)
    return _decided(mean.low > 0, mean.high < 0)


def no_less_than(change: tuple[float, float, float], least: float) -> Judgement:
    """Whether a change (value, low, high) is no less than a number, by its interval."""
    _, low, high = change
    return _decided(low >= least, high < least)


def positive(change: tuple[float, float, float]) -> Judgement:
    """Whether a change (value, low, high) is above zero, by its interval over images."""
    _, low, high = change
    return _decided(low > 0, high < 0)


def of_seeds(judgement: Judgement, seeds: int) -> Judgement:
    """Nothing is decided from one seed; the text says what it would be."""
    if seeds != 1 or judgement.verdict not in (Verdict.HOLDS, Verdict.FAILS):
        return judgement
    return Judgement(Verdict.OPEN, f" (one seed alone: {judgement.verdict})")


def adds(mean: Mean) -> Judgement:
    """Whether a gain is above zero; one that is surely below ``MARGIN`` counts as none."""
    if mean.id_sets < LEAST_ID_SETS:
        return too_few(mean.id_sets)
    return _decided(mean.low > 0, mean.high < MARGIN)


def too_few(id_sets: int) -> Judgement:
    """Nothing is decided from a few ID sets."""
    return Judgement(Verdict.OPEN, f" ({counted(id_sets, 'ID set')})")


def counted(number: int, what: str) -> str:
    """A number of things: "1 ID set", "3 ID sets"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def mean_in_words(mean: Mean, what: str) -> str:
    """A number, its interval, and what it is over."""
    if not mean.pairs:
        return "no pair to compare"
    return f"{what} {mean} over {mean.pairs} pairs of sets, {counted(mean.id_sets, 'ID set')}"


def _decided(holds: bool, fails: bool) -> Judgement:
    if holds:
        return Judgement(Verdict.HOLDS)
    return Judgement(Verdict.FAILS if fails else Verdict.OPEN)
