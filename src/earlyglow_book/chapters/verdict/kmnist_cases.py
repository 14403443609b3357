"""Whether the AUROC of pairs with KMNIST stays in the paper's range, case by case."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import KMNIST_RANGE, Judgement, Verdict
from earlyglow_book.tables.columns import PAIR

CASE = ["size", "objective", *PAIR]
# The OOD sets that the paper names for KMNIST as ID set.
PARTNERS = ("mnist", "fashion_mnist", "omniglot")


def kmnist_cases(tables: Mapping[tuple[str, str], pd.DataFrame], first: float = 0) -> pd.DataFrame:
    """Mean AUROC of each case over all trained epochs and seeds, with an interval.

    A case is a size of flow, an objective, a pair with KMNIST in one of its roles, and a model.
    With several seeds the interval is Student's over the seeds' means; with one it is the mean of
    the intervals over images, which takes epochs for wholly dependent and is so too wide.

    Args:
        tables: AUROCs of single images by size and objective.
        first: earlier epochs are left out, the untrained flow always.

    Returns:
        Columns ``CASE``, mean, low, high, seeds, place ("inside", "outside" or "open").
    """
    parts = [
        pairs.trained_rows(rows).assign(size=size, objective=objective)
        for (size, objective), rows in tables.items()
    ]
    rows = pd.concat(parts)
    with_kmnist = (rows["id_dataset"] == "kmnist") | (rows["ood"] == "kmnist")
    rows = rows[with_kmnist & (rows["epoch"] >= first)]
    found = [(*case, *_mean_of_case(part)) for case, part in rows.groupby(CASE)]
    table = pd.DataFrame(found, columns=[*CASE, "mean", "low", "high", "seeds"])
    return table.assign(place=[_place(row.low, row.high) for row in table.itertuples()])


def _mean_of_case(part: pd.DataFrame) -> tuple[float, float, float, int]:
    of_seeds = part.groupby("seed")["auroc"].mean()
    mean, low, high = inference.student(of_seeds)
    if len(of_seeds) == 1:
        return mean, float(part["low"].mean()), float(part["high"].mean()), 1
    return mean, max(0.0, low), min(1.0, high), len(of_seeds)


def _place(low: float, high: float) -> str:
    least, most = KMNIST_RANGE
    if least <= low and high <= most:
        return "inside"
    return "outside" if high < least or low > most else "open"


def counted_places(cases: pd.DataFrame) -> str:
    """How many cases lie where: "3 of 40 inside, 30 outside, 7 not decided"."""
    inside, outside, undecided = (
        int((cases["place"] == place).sum()) for place in ("inside", "outside", "open")
    )
    return f"{inside} of {len(cases)} inside, {outside} outside, {undecided} not decided"


def stays_inside(cases: pd.DataFrame) -> Judgement:
    """Holds where every case lies inside, fails where one lies outside as a whole."""
    if cases.empty:
        return Judgement(Verdict.UNTESTED)
    if (cases["place"] == "inside").all():
        return Judgement(Verdict.HOLDS)
    return Judgement(Verdict.FAILS if (cases["place"] == "outside").any() else Verdict.OPEN)
