"""The claims of the second paper's abstract, each judged by a rule from the stored tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from earlyglow_book.chapters.gradient_short_circuit import FORWARD, GSC, GSC_EXACT, PLAIN
from earlyglow_book.results import Tables
from earlyglow_book.tables.claims import MARGIN, Claim, Judgement, Verdict, no_less_than, positive
from earlyglow_book.tables.texts import as_text

# Only the abstract of the paper is known.
SOURCE = "abstract"
# ID accuracy may fall by as much.
ACCURACY_MARGIN = 0.01
# "Small": no more than this many plain forward passes.
SMALL_COST = 2.0


def claims_about_scores(tables: Tables, id_dataset: str, plain: str) -> list[Claim]:
    """Every claim that the tables of one :class:`ShortCircuit` judge.

    ``plain`` is the detector that GSC is without an intervention.
    """
    return [
        _consistency(tables["consistency"], id_dataset),
        _beats_plain(tables, plain),
        _accuracy_stays(tables["accuracy"]),
        _first_order_suffices(tables["means"]),
    ]


def claim_about_cost(times: pd.DataFrame, split_at: str) -> Claim:
    """Whether the cost is small, from the times of :class:`ShortCircuitCost` and the place."""
    ratios = relative_times(times).set_index("contender")["ratio"]
    first, exact = ratios[f"{GSC} at {split_at}"], ratios[f"{GSC_EXACT} at {split_at}"]
    verdict = Verdict.HOLDS if first <= SMALL_COST else Verdict.FAILS
    detail = "; the exact second pass costs less" if exact <= first else ""
    return Claim(
        "cost",
        "The cost is small",
        SOURCE,
        f"time of a batch, cut after {split_at}, over that of a plain forward pass; holds up to "
        f"{SMALL_COST:g} forward passes",
        f"{first:.2f} (first order), {exact:.2f} (exact second pass of the head)",
        Judgement(verdict, detail),
    )


def relative_times(times: pd.DataFrame) -> pd.DataFrame:
    """Time of each contender over that of a forward pass in the same round: median, quartiles."""
    by_round = times.pivot_table(index="repetition", columns="contender", values="seconds")
    ratios = by_round.div(by_round[FORWARD], axis=0).drop(columns=FORWARD)
    low, middle, high = (ratios.quantile(q) for q in (0.25, 0.5, 0.75))
    table = pd.DataFrame({"ratio": middle, "low": low, "high": high})
    return table.sort_values("ratio").reset_index()


def consistency_gaps(table: pd.DataFrame, id_dataset: str) -> pd.DataFrame:
    """Consistency of the ID set minus that of each OOD set, with 95 % intervals over images."""
    reach = table["high"] - table["mean"]
    rows = table.assign(error=reach / stats.t.ppf(0.975, table["images"] - 1))
    keys = ["noise", "classes"]
    own = rows[rows["dataset"] == id_dataset].set_index(keys)[["mean", "error"]].add_suffix("_id")
    others = rows[rows["dataset"] != id_dataset].join(own, on=keys)
    gap = others["mean_id"] - others["mean"]
    reach = stats.norm.ppf(0.975) * np.hypot(others["error_id"], others["error"])
    return others[[*keys, "dataset"]].assign(gap=gap, low=gap - reach, high=gap + reach)


def _consistency(table: pd.DataFrame, id_dataset: str) -> Claim:
    gaps = consistency_gaps(table, id_dataset)
    more, less, total = int((gaps["low"] > 0).sum()), int((gaps["high"] < 0).sum()), len(gaps)
    noises = ", ".join(f"{noise:g}" for noise in gaps["noise"].unique())
    judgement = Judgement(Verdict.OPEN)
    if more == total:
        judgement = Judgement(Verdict.HOLDS)
    elif less and less >= more:
        judgement = Judgement(Verdict.FAILS)
    elif more:
        judgement = Judgement(Verdict.HOLDS, f" only in {more} of {total} comparisons")
    return Claim(
        "consistent",
        "Gradients of ID images point in more consistent directions than those of OOD images",
        SOURCE,
        f"cosine between gradients of copies with noise of deviation {noises}, with the class of "
        "each copy and with one class held: every noise, way and OOD set is one comparison; holds "
        "if ID images are more consistent in all, not if in no more than they are less consistent",
        f"more consistent than OOD images in {more} of {total} comparisons, less in {less}",
        judgement,
    )


def _beats_plain(tables: Tables, plain: str) -> Claim:
    change = gsc_less(tables["means"], plain)
    changes = tables["changes"]
    rows = changes[changes["against"] == plain]
    better, worse = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    return Claim(
        "beats",
        f"The intervention improves OOD detection over the same score without it ({plain})",
        SOURCE,
        f"mean AUROC of GSC minus that of {plain}, same images, interval over images; holds if it "
        "lies above zero",
        f"{as_text(*change)}; better for {better}, worse for {worse} of {len(rows)} OOD sets",
        positive(change),
    )


def _accuracy_stays(table: pd.DataFrame) -> Claim:
    rows = table.set_index("detector")
    images, *change = rows.loc[GSC, ["images", "change", "low", "high"]]
    return Claim(
        "accuracy",
        "ID accuracy stays",
        SOURCE,
        f"accuracy of the logits after the intervention minus before ({int(images):,} "
        f"images); holds down to {-ACCURACY_MARGIN:g}",
        f"{as_text(*change)} (from {rows.loc[PLAIN, 'accuracy']:.3f})",
        no_less_than(change, -ACCURACY_MARGIN),
    )


def _first_order_suffices(means: pd.DataFrame) -> Claim:
    change = gsc_less(means, GSC_EXACT)
    return Claim(
        "order",
        "The first order is as good as a second forward pass",
        SOURCE,
        "mean AUROC of the first order minus that of the exact second pass, interval over images; "
        f"holds down to {-MARGIN:g}",
        as_text(*change),
        no_less_than(change, -MARGIN),
    )


def gsc_less(means: pd.DataFrame, other: str) -> tuple[float, float, float]:
    """Mean AUROC of GSC minus that of another detector, with its interval."""
    row = means.set_index("detector").loc[other]
    return row["gsc_less"], row["gsc_less_low"], row["gsc_less_high"]
