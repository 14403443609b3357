"""The plan's hypotheses: each one's number for every pair of sets, and the rule that judges it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from earlyglow_book.tables.aurocs import of_log_prob
from earlyglow_book.tables.claims import Judgement, Verdict
from earlyglow_book.tables.columns import FLOW, SETS
from earlyglow_book.tables.inference import holm, mean_over_sets, p_above_zero

# Sets that gave the idea: as ID sets they stand beside the others and enter no test.
IDEA_SETS = ("cifar10", "gtsrb")
SEEDS = 3
_LEVEL = 0.05
_FALL = 0.02
# Group size 1 and the log-likelihood are the plan's confirmatory cell.
READINGS = ("layer_gradients", "neighbours", "residual", "placebo", "no_flow")


@dataclass(frozen=True)
class Hypothesis:
    """One of the plan's.

    Attributes:
        id: its name in the plan.
        says: in words.
        number: the statistic, in words.
    """

    id: str
    says: str
    number: str


HYPOTHESES = (
    Hypothesis("H1", "neighbours read the same norms better", "neighbours − paper, late"),
    Hypothesis(
        "H2a", "the fall belongs to the paper's reading", "(late − early), neighbours − paper"
    ),
    Hypothesis(
        "H2b", "under neighbours nothing falls", "late − early + .02, neighbours (above 0: no fall)"
    ),
    Hypothesis("H3", "the shared axes are what hurts", "5 axes removed − halfway, late"),
    Hypothesis("H4 early", "an early flow adds to the picture", "neighbours − no flow, early"),
    Hypothesis("H4 late", "a late flow adds to the picture", "neighbours − no flow, late"),
)
BY_ID = {hypothesis.id: hypothesis for hypothesis in HYPOTHESES}


def pair_aurocs(
    readings: pd.DataFrame, early: float, late: pd.Series, size: int = 1
) -> pd.DataFrame:
    """AUROCs at the early and the late checkpoint of each flow, for every pair.

    Args:
        readings: columns ``FLOW``, epoch, group_size, detector, objective, ood, auroc, n_id, n_ood.
        early: the early epoch.
        late: the late epoch of each flow, with index levels ``FLOW``.
        size: images in a group.

    Returns:
        Index levels ``FLOW`` and ood; columns (when, detector), when being "early" or "late".
    """
    chosen = of_log_prob(readings, size)
    chosen = chosen[chosen["detector"].isin(READINGS)]
    flow_late = pd.MultiIndex.from_frame(chosen[FLOW]).map(late)
    parts = {
        when: chosen[chosen["epoch"] == epoch].pivot(
            index=[*FLOW, "ood"], columns="detector", values="auroc"
        )
        for when, epoch in (("early", early), ("late", flow_late))
    }
    return pd.concat(parts, axis=1)


def statistics(aurocs: pd.DataFrame) -> pd.DataFrame:
    """Each hypothesis's number in every row of :func:`pair_aurocs`; the side it states is > 0.

    "H2a d'" is H2a's number in d' = sqrt(2) Phi^-1(AUROC), whose sign has to agree.
    """
    early, late = aurocs["early"], aurocs["late"]
    change = late - early
    change_in_d = d_prime(late) - d_prime(early)
    halfway = (late["layer_gradients"] + late["neighbours"]) / 2
    columns = {
        "H1": late["neighbours"] - late["layer_gradients"],
        "H2a": change["neighbours"] - change["layer_gradients"],
        "H2a d'": change_in_d["neighbours"] - change_in_d["layer_gradients"],
        "H2b": change["neighbours"] + _FALL,
        "H3": late["residual"] - halfway,
        "H3 placebo": late["placebo"] - halfway if "placebo" in late else np.nan,
        "H4 early": early["neighbours"] - early["no_flow"],
        "H4 late": late["neighbours"] - late["no_flow"],
    }
    return pd.DataFrame(columns)


def d_prime(aurocs: pd.DataFrame) -> pd.DataFrame:
    """d' = sqrt(2) Phi^-1(AUROC); a perfect AUROC counts as half an image of 1,000 short of it."""
    least = 0.5 / 1000
    return np.sqrt(2) * aurocs.clip(least, 1 - least).apply(stats.norm.ppf)


def over_models(numbers: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of each model, then over the models: one row for each pair."""
    of_models = numbers.groupby([*SETS, "model"]).mean()
    return of_models.groupby(SETS).mean()


def without_idea_sets(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows whose ID set may test the hypotheses."""
    return numbers[~numbers.index.get_level_values("id_dataset").isin(IDEA_SETS)]


def judged(numbers: pd.DataFrame) -> pd.DataFrame:
    """Number, interval, p-value after Holm's correction and judgement of each hypothesis.

    A hypothesis holds where its 95 % interval lies above zero, its p-value is at most .05 after
    Holm's correction over the six, and every flow was trained from all of the plan's seeds; it does
    not hold where the interval lies below zero. H2a needs the same sign in d'.

    Args:
        numbers: of :func:`statistics`, of the flows that may test; of fewer than 3 data sets
            nothing is decided.
    """
    by_pair = over_models(numbers)
    names = list(BY_ID)
    estimates = {name: mean_over_sets(by_pair[name]) for name in names}
    one_sided = {
        name: p_above_zero(by_pair[name]) if math.isfinite(estimates[name].low) else 0.5
        for name in names
    }
    adjusted = holm({name: min(1.0, 2 * p) for name, p in one_sided.items()})
    seeds = numbers.groupby(["id_dataset", "model"]).apply(
        lambda part: part.index.get_level_values("seed").nunique()
    )
    signs_agree = bool(by_pair["H2a d'"].mean() > 0)
    rows = []
    for hypothesis in HYPOTHESES:
        value, low, high = estimates[hypothesis.id][:3]
        agrees = signs_agree or hypothesis.id != "H2a"
        judgement = _judgement(low, high, adjusted[hypothesis.id], int(seeds.min()), agrees)
        rows.append((hypothesis.id, value, low, high, adjusted[hypothesis.id], judgement))
    return pd.DataFrame(rows, columns=["id", "value", "low", "high", "p", "judgement"])


def _judgement(low: float, high: float, p: float, seeds: int, agrees: bool) -> Judgement:
    side = Verdict.OPEN
    if low > 0 and p <= _LEVEL and agrees:
        side = Verdict.HOLDS
    elif high <= 0 or (low > 0 and not agrees):
        side = Verdict.FAILS
    if side == Verdict.OPEN or seeds >= SEEDS:
        return Judgement(side)
    # Single trainings are chaotic: the same command gives other AUROCs after a rounding.
    return Judgement(
        Verdict.OPEN, f" (one seed alone: {side})" if seeds == 1 else f" ({side} so far)"
    )


def beside(
    numbers: pd.DataFrame, families: Mapping[str, str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The parts of the pairs that stand beside each hypothesis: families, models, sets left out.

    Args:
        numbers: of :func:`statistics`.
        families: each ID set's family, as "grey".
    """
    id_sets = numbers.index.get_level_values("id_dataset")
    family = id_sets.map(families)
    for name in sorted(set(family)):
        yield f"{name} sets", numbers[family == name]
    for model in sorted(set(numbers.index.get_level_values("model"))):
        yield model, numbers[numbers.index.get_level_values("model") == model]
    for name in sorted(set(id_sets) | set(numbers.index.get_level_values("ood"))):
        kept = (id_sets != name) & (numbers.index.get_level_values("ood") != name)
        if kept.any():
            yield f"without {name}", numbers[kept]
