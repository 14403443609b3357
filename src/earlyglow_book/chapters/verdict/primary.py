"""The four primary claims, which are judged together with Holm's correction."""

from __future__ import annotations

import math

import pandas as pd

from earlyglow_book.chapters.verdict.evidence import (
    Evidence,
    change_by_groups,
    gain_over_likelihood,
    gain_over_no_flow,
)
from earlyglow_book.chapters.verdict.short_trainings import length
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import (
    MARGIN,
    Claim,
    Judgement,
    Verdict,
    greater,
    mean_in_words,
    no_worse,
)
from earlyglow_book.tables.columns import PAIR, SETS

# One-sided level after Holm's correction.
_LEVEL = 0.025


def primary_claims(evidence: Evidence) -> list[Claim]:
    """Four claims that are judged together, with Holm's correction; the others describe."""
    rows = evidence.gradients[1]
    _, last = pairs.early_and_late(rows)
    first = pairs.gain_of_epoch(rows, 1.0)
    groups = change_by_groups(rows, evidence.gradients[5])
    gain = gain_over_likelihood(evidence)
    questions = {
        "first_epoch": (
            "In short trainings one epoch is enough: single images",
            "digest",
            f"epoch 1 minus epoch {last:g}, of {length():,} "
            f"images each; a loss of {MARGIN} counts as none",
            first,
            -MARGIN,
        ),
        "groups": (
            "Groups of five beat single images",
            "digest",
            "means over all trained epochs and seeds",
            groups.groupby(level=PAIR).mean(),
            0.0,
        ),
        "likelihood": (
            "The gradient score beats the likelihood",
            "digest",
            f"epoch {last:g}, single images; {_left_out(gain)}",
            gain,
            0.0,
        ),
        "no_flow": (
            "The gradient score beats statistics of the picture that need no flow",
            "our question: what does a flow add?",
            f"epoch {last:g}, single images, against fourteen numbers for each picture",
            gain_over_no_flow(evidence, last),
            0.0,
        ),
    }
    means = {name: inference.mean_over_sets(values) for name, (*_, values, _) in questions.items()}
    alone = {
        name: inference.p_above_zero(inference.by_pair(values) - least)
        for name, (*_, values, least) in questions.items()
        if means[name].pairs and math.isfinite(means[name].low)
    }
    adjusted = inference.holm(alone)
    claims = []
    for name, (text, source, test, _, least) in questions.items():
        judgement = no_worse(means[name]) if least else greater(means[name])
        if judgement.verdict == Verdict.HOLDS and adjusted.get(name, 1.0) > _LEVEL:
            judgement = Judgement(Verdict.OPEN, " (after the correction for four questions)")
        claims.append(
            Claim(name, text, source, test, mean_in_words(means[name], "change"), judgement)
        )
    return claims


def _left_out(values: pd.Series) -> str:
    """How a mean moves when one data set is left out in both of its roles, in words."""
    by_pair = inference.by_pair(values)
    own, ood = (by_pair.index.get_level_values(role) for role in SETS)
    means = [by_pair[(own != n) & (ood != n)].mean() for n in sorted({*own, *ood})]
    return f"with one data set left out it is {min(means):+.3f} to {max(means):+.3f}"
