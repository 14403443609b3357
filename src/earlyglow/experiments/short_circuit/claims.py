"""The claims of the second paper's abstract, each judged by a rule from the stored tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from earlyglow.experiments.claims import MARGIN, Claim
from earlyglow.experiments.collected import as_text
from earlyglow.experiments.short_circuit.cost import FORWARD
from earlyglow.experiments.short_circuit.experiment import GSC, GSC_EXACT, PLAIN
from earlyglow.store import Tables

# The noise at which consistency is judged, in the images' unit (their range is 1).
NOISE = 0.03
# Only the abstract of the paper is known.
SOURCE = "abstract"
# ID accuracy may fall by as much.
ACCURACY_MARGIN = 0.01
# "Small": no more than this many plain forward passes.
SMALL_COST = 2.0


def short_circuit_claims(
    tables: Tables, times: pd.DataFrame, id_dataset: str, split_at: str, plain: str
) -> list[Claim]:
    """Every claim, judged for one classifier.

    Args:
        tables: of :class:`ShortCircuit`.
        times: of :class:`ShortCircuitCost`.
        id_dataset: the in-distribution set.
        split_at: where the classifier is cut.
        plain: the detector that GSC is without an intervention.
    """
    return [
        _consistency(tables["consistency"], id_dataset),
        _beats_plain(tables, plain),
        _accuracy_stays(tables["accuracy"]),
        _first_order_suffices(tables["means"]),
        _cost_is_small(times, split_at),
    ]


def claims_table(claims: list[Claim]) -> pd.DataFrame:
    """The claims as a table for readers."""
    columns = ["claim", "known from", "what was run", "our number", "verdict"]
    rows = [(c.text, c.source, c.test, c.number, c.verdict) for c in claims]
    return pd.DataFrame(rows, columns=columns)


def relative_times(times: pd.DataFrame) -> pd.DataFrame:
    """Time of each contender over that of a forward pass in the same round.

    Returns:
        Columns contender, ratio (median over rounds), low and high (quartiles).
    """
    by_round = times.pivot_table(index="repetition", columns="contender", values="seconds")
    ratios = by_round.div(by_round[FORWARD], axis=0).drop(columns=FORWARD)
    low, middle, high = (ratios.quantile(q) for q in (0.25, 0.5, 0.75))
    table = pd.DataFrame({"ratio": middle, "low": low, "high": high})
    return table.sort_values("ratio").reset_index()


def consistency_gaps(table: pd.DataFrame, id_dataset: str, classes: str = "own") -> pd.DataFrame:
    """Consistency of the ID set less that of each OOD set, with 95 % intervals (normal)."""
    at = table[np.isclose(table["noise"], NOISE) & (table["classes"] == classes)]
    at = at.set_index("dataset")
    error = (at["high"] - at["mean"]) / stats.t.ppf(0.975, at["images"] - 1)
    own = at.loc[id_dataset]
    others = at.drop(index=id_dataset)
    gap = own["mean"] - others["mean"]
    reach = stats.norm.ppf(0.975) * np.hypot(error[id_dataset], error.drop(index=id_dataset))
    return pd.DataFrame({"gap": gap, "low": gap - reach, "high": gap + reach}).reset_index()


def _consistency(table: pd.DataFrame, id_dataset: str) -> Claim:
    by_kind = {kind: consistency_gaps(table, id_dataset, kind) for kind in ("own", "kept")}
    both = [gaps.set_index("dataset") for gaps in by_kind.values()]
    more = pd.concat([gaps["low"] > 0 for gaps in both], axis=1).all(axis=1)
    less = pd.concat([gaps["high"] < 0 for gaps in both], axis=1).any(axis=1)
    counts = [
        f"{title}: more than {int((gaps['low'] > 0).sum())}, less than "
        f"{int((gaps['high'] < 0).sum())} of {len(gaps)} OOD sets"
        for title, gaps in zip(("own class", "class held"), by_kind.values(), strict=True)
    ]
    verdict = "not decided"
    if more.all():
        verdict = "holds"
    elif less.any() and less.sum() >= more.sum():
        verdict = "does not hold"
    elif more.any():
        verdict = f"holds only for {int(more.sum())} of {len(more)} OOD sets"
    return Claim(
        "Gradients of ID images point in more consistent directions than those of OOD images",
        SOURCE,
        f"cosine between gradients of noisy copies (deviation {NOISE:g}), with the class of each "
        "copy and with one class held; holds where ID images are more consistent in both ways",
        "; ".join(counts),
        verdict,
    )


def _beats_plain(tables: Tables, plain: str) -> Claim:
    change = _gsc_less(tables["means"], plain)
    changes = tables["changes"]
    rows = changes[changes["against"] == plain]
    better, worse = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    verdict = "not decided"
    if change[1] > 0:
        verdict = "holds"
    elif change[2] < 0:
        verdict = "does not hold"
    return Claim(
        f"The intervention improves OOD detection over the same score without it ({plain})",
        SOURCE,
        f"mean AUROC of GSC less that of {plain}, same images, interval over images",
        f"{as_text(*change)}; better for {better}, worse for {worse} of {len(rows)} OOD sets",
        verdict,
    )


def _accuracy_stays(table: pd.DataFrame) -> Claim:
    row = table.set_index("detector").loc[GSC]
    before = table.set_index("detector").loc[PLAIN, "accuracy"]
    change = (row["change"], row["low"], row["high"])
    return Claim(
        "ID accuracy stays",
        SOURCE,
        f"accuracy of the logits after the intervention less before, {row['images']:,} images; "
        f"holds down to {-ACCURACY_MARGIN:g}",
        f"{as_text(*change)} (from {before:.3f})",
        _within(change, ACCURACY_MARGIN),
    )


def _first_order_suffices(means: pd.DataFrame) -> Claim:
    change = _gsc_less(means, GSC_EXACT)
    return Claim(
        "The first order is as good as a second forward pass",
        SOURCE,
        "mean AUROC of the first order less that of the exact second pass, interval over images; "
        f"holds down to {-MARGIN:g}",
        as_text(*change),
        _within(change, MARGIN),
    )


def _cost_is_small(times: pd.DataFrame, split_at: str) -> Claim:
    ratios = relative_times(times).set_index("contender")["ratio"]
    first, exact = ratios[f"{GSC} at {split_at}"], ratios[f"{GSC_EXACT} at {split_at}"]
    verdict = "holds" if first <= SMALL_COST else "does not hold"
    if exact <= first:
        verdict += "; the exact second pass costs less"
    return Claim(
        "The cost is small",
        SOURCE,
        "time of a batch over that of a plain forward pass; holds up to "
        f"{SMALL_COST:g} forward passes",
        f"{first:.2f} (first order), {exact:.2f} (exact second pass of the head)",
        verdict,
    )


def _gsc_less(means: pd.DataFrame, other: str) -> tuple[float, float, float]:
    row = means.set_index("detector").loc[other]
    return row["gsc_less"], row["gsc_less_low"], row["gsc_less_high"]


def _within(change: tuple[float, float, float], margin: float) -> str:
    """Whether a change is no worse than the margin, by its interval."""
    _, low, high = change
    if low >= -margin:
        return "holds"
    return "does not hold" if high < -margin else "not decided"
