"""A row for each hypothesis of the plan, from the long flows."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.readings import EARLY_IMAGES
from earlyglow_book.chapters.verdict.evidence import Evidence
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.tables import hypotheses, maturity
from earlyglow_book.tables.claims import Claim
from earlyglow_book.tables.pairs import FLOW
from earlyglow_book.tables.texts import as_text


def plan_claims(evidence: Evidence) -> list[Claim]:
    """The plan's hypotheses, judged by its rule."""
    if evidence.long_readings.empty:
        return []
    early = EARLY_IMAGES / (find_profile("long").images_per_epoch or EARLY_IMAGES)
    late = maturity.late_epochs(evidence.long_fit_bits)
    aurocs = hypotheses.pair_aurocs(evidence.long_readings, early, late)
    numbers = hypotheses.without_idea_sets(hypotheses.statistics(aurocs))
    known = {hypothesis.id: hypothesis for hypothesis in hypotheses.HYPOTHESES}
    return [
        Claim(
            row.id,
            f"{row.id}: {known[row.id].says}",
            "the plan of this book",
            f"{known[row.id].number}; {_flows(numbers)}",
            as_text(row.value, row.low, row.high),
            row.judgement,
        )
        for row in hypotheses.judged(numbers).itertuples()
    ]


def _flows(numbers: pd.DataFrame) -> str:
    """How many of the plan's flows the numbers are from."""
    flows = numbers.index.to_frame()[FLOW].drop_duplicates()
    return f"{len(flows)} flows of {flows['id_dataset'].nunique()} ID sets, {_seeds(flows)}"


def _seeds(flows: pd.DataFrame) -> str:
    count = flows["seed"].nunique()
    return "one seed" if count == 1 else f"{count} seeds"
