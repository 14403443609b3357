"""A row for each hypothesis of the plan and one for criteria of the epoch, from the long flows."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.long_flows import LongFlows
from earlyglow_book.chapters.verdict.evidence import Evidence
from earlyglow_book.chapters.which_epoch import LAST
from earlyglow_book.tables import hypotheses, inference, maturity
from earlyglow_book.tables.claims import MARGIN, Claim, Judgement, Verdict
from earlyglow_book.tables.columns import FLOW, SETS
from earlyglow_book.tables.texts import as_text


def plan_claims(evidence: Evidence) -> list[Claim]:
    """The plan's hypotheses, judged by its rule, and the criteria for the epoch."""
    if evidence.long_readings.empty:
        return []
    late = maturity.late_epochs(evidence.long_fit_bits)
    aurocs = hypotheses.pair_aurocs(evidence.long_readings, LongFlows().early, late)
    numbers = hypotheses.without_idea_sets(hypotheses.statistics(aurocs))
    criteria = [] if evidence.epoch_regrets.empty else [criterion_claim(evidence.epoch_regrets)]
    return [
        Claim(
            row.id,
            f"{row.id}: {hypotheses.BY_ID[row.id].says}",
            "the plan of this book",
            f"{hypotheses.BY_ID[row.id].number}; {_flows(numbers)}",
            as_text(row.value, row.low, row.high),
            row.judgement,
        )
        for row in hypotheses.judged(numbers).itertuples()
    ] + criteria


def criterion_claim(regrets: pd.DataFrame) -> Claim:
    """Whether any criterion that sees ID images alone finds a better epoch than the last.

    Args:
        regrets: of :func:`which_epoch.regret_rows` for the paper's score.
    """
    saved = regrets.drop(columns=LAST).rsub(regrets[LAST], axis=0)
    by_pair = saved.groupby(level=SETS).mean()
    band = inference.simultaneous_band(by_pair)
    best = band["value"].idxmax()
    flows = regrets.index.to_frame()[FLOW].drop_duplicates()
    return Claim(
        "criterion",
        "A criterion that sees ID images alone finds a better epoch than the last",
        "the paper's open question",
        f"{saved.shape[1]} criteria for the paper's score, one band over all of them, chosen and "
        f"judged on different halves of the images; {_flows(regrets)}",
        f"the best, “{best}”, saves {as_text(*band.loc[best, ['value', 'low', 'high']])}",
        _criterion_judgement(band, flows["seed"].nunique()),
    )


def _criterion_judgement(band: pd.DataFrame, seeds: int) -> Judgement:
    side = Verdict.OPEN
    if (band["low"] > 0).any():
        side = Verdict.HOLDS
    elif (band["high"] < MARGIN).all():
        side = Verdict.FAILS
    if side == Verdict.OPEN or seeds >= hypotheses.SEEDS:
        return Judgement(side)
    return Judgement(Verdict.OPEN, f" ({_seed_count(seeds)} alone: {side})")


def _flows(numbers: pd.DataFrame) -> str:
    """How many of the plan's flows the numbers are from."""
    flows = numbers.index.to_frame()[FLOW].drop_duplicates()
    seeds = _seed_count(flows["seed"].nunique())
    return f"{len(flows)} flows of {flows['id_dataset'].nunique()} ID sets, {seeds}"


def _seed_count(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"
