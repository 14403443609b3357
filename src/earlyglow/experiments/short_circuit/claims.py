"""The claims of the second paper's abstract, each judged by a rule from the stored tables."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from earlyglow.experiments.claims import MARGIN, Claim
from earlyglow.experiments.collected import as_text
from earlyglow.experiments.short_circuit.cost import FORWARD
from earlyglow.experiments.short_circuit.experiment import GSC, GSC_EXACT
from earlyglow.store import Tables

# The noise at which consistency is judged, in the images' unit (their range is 1).
NOISE = 0.03
# ID accuracy may fall by as much.
ACCURACY_MARGIN = 0.01
# "Small": no more than this many plain forward passes.
SMALL_COST = 2.0


def short_circuit_claims(
    tables: Tables, times: pd.DataFrame, id_dataset: str, split_at: str
) -> list[Claim]:
    """Every claim, judged for one classifier.

    Args:
        tables: of :class:`ShortCircuit`.
        times: of :class:`ShortCircuitCost`.
        id_dataset: the in-distribution set.
        split_at: where the classifier is cut.
    """
    return [
        _consistency(tables["consistency"], id_dataset),
        _beats_energy(tables["changes"]),
        _accuracy_stays(tables["accuracy"]),
        _first_order_suffices(tables["changes"]),
        _cost_is_small(times, split_at),
    ]


def claims_table(claims: list[Claim]) -> pd.DataFrame:
    """The claims as a table for readers."""
    rows = [(claim.text, claim.test, claim.number, claim.verdict) for claim in claims]
    return pd.DataFrame(rows, columns=["claim", "what was run", "our number", "verdict"])


def mean_change(changes: pd.DataFrame, against: str) -> tuple[float, float, float]:
    """Mean over OOD sets of GSC's AUROC less another's, with a t interval over the sets."""
    values = changes.loc[changes["against"] == against, "change"].to_numpy()
    mean = float(values.mean())
    if len(values) < 2:
        return mean, math.nan, math.nan
    reach = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - reach, mean + reach


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
    gaps = consistency_gaps(table, id_dataset)
    below, above = int((gaps["low"] > 0).sum()), int((gaps["high"] < 0).sum())
    verdict = "holds" if below == len(gaps) else f"holds only for {below} of {len(gaps)} OOD sets"
    if not below:
        verdict = "does not hold" if above else "not decided"
    return Claim(
        "Gradients of ID images point in more consistent directions than those of OOD images",
        "digest",
        f"cosine between gradients of noisy copies (deviation {NOISE:g})",
        f"ID less OOD, mean over sets {gaps['gap'].mean():.3f}; more consistent than "
        f"{below}, less than {above} of {len(gaps)} OOD sets",
        verdict,
    )


def _beats_energy(changes: pd.DataFrame) -> Claim:
    mean, low, high = mean_change(changes, "Energy")
    rows = changes[changes["against"] == "Energy"]
    better, worse = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    verdict = "holds" if low > 0 else "does not hold" if high < 0 else "not decided"
    return Claim(
        "The intervention improves OOD detection over the energy",
        "digest",
        "AUROC of GSC less that of the plain energy, same images",
        f"{as_text(mean, low, high)}; better for {better}, worse for {worse} of {len(rows)} sets",
        verdict,
    )


def _accuracy_stays(table: pd.DataFrame) -> Claim:
    accuracy = table.set_index("detector")["accuracy"]
    change = accuracy[GSC] - accuracy["no intervention"]
    return Claim(
        "ID accuracy stays",
        "digest",
        "accuracy of the logits after the intervention, less before",
        f"{change:+.4f} (from {accuracy['no intervention']:.4f})",
        "holds" if change >= -ACCURACY_MARGIN else "does not hold",
    )


def _first_order_suffices(changes: pd.DataFrame) -> Claim:
    mean, low, high = mean_change(changes, GSC_EXACT)
    verdict = "holds" if low >= -MARGIN else "does not hold" if high < -MARGIN else "not decided"
    return Claim(
        "The first order is as good as a second forward pass",
        "digest",
        "AUROC of the first order less that of the exact second pass",
        as_text(mean, low, high),
        verdict,
    )


def _cost_is_small(times: pd.DataFrame, split_at: str) -> Claim:
    ratios = relative_times(times).set_index("contender")["ratio"]
    first, exact = ratios[f"{GSC} at {split_at}"], ratios[f"{GSC_EXACT} at {split_at}"]
    return Claim(
        "The cost is small",
        "digest",
        "time of a batch over that of a plain forward pass",
        f"{first:.2f} (first order), {exact:.2f} (exact second pass of the head)",
        "holds" if first <= SMALL_COST else "does not hold",
    )
