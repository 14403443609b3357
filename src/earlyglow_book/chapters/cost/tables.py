"""From raw times to the tables and numbers that a reader looks at."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.cost.comparison import TRAINING_STEP
from earlyglow_book.results import Tables
from earlyglow_book.tables.texts import Texts

_RATIOS = {
    "cost_dense": ("norms, paper DenseGlow: float32 against the loop", ".0f"),
    "cost_dense_bf16": ("norms, paper DenseGlow: bf16 against the loop", ".0f"),
    "cost_classroom_bf16": ("norms, classroom Glow: bf16 against the loop", ".1f"),
    "cost_paper_bf16": ("norms, paper Glow: bf16 against the loop", ".1f"),
    "cost_classroom": ("norms, classroom Glow: float32 against the loop", ".1f"),
    "cost_paper": ("norms, paper Glow: float32 against the loop", ".1f"),
    "cost_normflows": ("training step, paper Glow: against normflows", ".2f"),
    "cost_normflows_classroom": ("training step, classroom Glow: against normflows", ".2f"),
}
_RIVALS = {"cost_normflows": "paper Glow", "cost_normflows_classroom": "classroom Glow"}


def speed_table(times: pd.DataFrame) -> pd.DataFrame:
    """One row for each case, contender and number of images, from the seconds of each repetition.

    It has the median rate, the smallest and the largest (images/s), and the median of the rounds'
    ratios to the loop (larger = faster).
    """
    rate = times.assign(rate=times["images"] / times["seconds"])
    loop = rate[rate["contender"] == "loop"].set_index(["case", "repetition"])["rate"]
    of_loop = loop.reindex(pd.MultiIndex.from_frame(rate[["case", "repetition"]])).to_numpy()
    rate = rate.assign(times_loop=rate["rate"] / of_loop)
    grouped = rate.groupby(["case", "contender", "images"], sort=False)
    return grouped.agg(
        images_per_second=("rate", "median"),
        slowest=("rate", "min"),
        fastest=("rate", "max"),
        times_loop=("times_loop", "median"),
    ).reset_index()


def best_rates(speeds: pd.DataFrame) -> pd.Series:
    """Median images/s at the best of the batch sizes, by case and contender."""
    return speeds.groupby(["case", "contender"])["images_per_second"].max()


def memory_table(memory: pd.DataFrame) -> pd.DataFrame:
    """Peak mebibytes of each contender (rows) for each case (columns), at equal batches."""
    few = memory.groupby("case")["images"].transform("min")
    equal = memory[memory["images"] == few].assign(mib=memory["bytes"] / 2**20)
    table = equal.pivot(index="contender", columns="case", values="mib")
    return table.loc[list(dict.fromkeys(equal["contender"])), list(dict.fromkeys(equal["case"]))]


def arithmetic_table(tables: Tables) -> pd.DataFrame:
    """Operations of an image, the share of the machine's peak, and the floor at that peak.

    The peak is the fastest float32 arithmetic of the run: a matrix product, a convolution, or a
    pass that is faster than either. The floor is the time that the
    counted operations take at that peak; ``best_times_loop`` is how many times faster than the
    loop that would be.
    """
    products = tables["products"][tables["products"]["precision"] == "float32"]
    rates = best_rates(speed_table(tables["times"]))
    counted = tables["operations"].join(rates, on=["case", "contender"], how="inner")
    each = counted["operations"] / counted["images"]
    speed = each * counted["images_per_second"]
    peak = max((products["operations"] / products["seconds"]).max(), speed.max())
    of_loop = counted["case"].map(rates.xs("loop", level="contender"))
    table = counted[["case", "contender"]].assign(
        gflop_per_image=each / 1e9,
        gflop_per_second=speed / 1e9,
        share_of_peak=speed / peak,
        floor_ms=1e3 * each / peak,
        best_times_loop=peak / each / of_loop,
    )
    return table.reset_index(drop=True)


def targets_table(tables: Tables) -> pd.DataFrame:
    """What was asked of this implementation, and what was measured: median, low, high of rounds.

    Ratios of times compare calls of one round.
    """
    times, memory = tables["times"], memory_table(tables["memory"])
    step, norms, low = TRAINING_STEP, "batched", "batched bf16"
    dense, paper, classroom = "paper DenseGlow", "paper Glow", "classroom Glow"
    asked = [
        ("norms, paper DenseGlow: float32 against the loop", dense, norms, "loop", 30.0),
        ("norms, paper DenseGlow: bf16 against the loop", dense, low, "loop", 60.0),
        ("norms, classroom Glow: float32 against the loop", classroom, norms, "loop", 8.0),
        ("norms, classroom Glow: bf16 against the loop", classroom, low, "loop", 10.0),
        ("norms, paper Glow: float32 against the loop", paper, norms, "loop", 3.0),
        ("norms, paper Glow: bf16 against the loop", paper, low, "loop", 5.0),
        ("training step, classroom Glow: against normflows", classroom, step, "normflows", 2.0),
        ("training step, paper Glow: against normflows", paper, step, "normflows", 2.0),
    ]
    rows = []
    for measure, case, ours, theirs, least in asked:
        ratios = _rate_of(times, case, ours) / _rate_of(times, case, theirs)
        rows.append(_row(measure, "at least", least, ratios))
    for case in (paper, dense):
        batch = times.loc[(times["case"] == case) & (times["contender"] == step), "images"].max()
        same = times[times["images"] == batch]
        ratios = _rate_of(same, case, step) / _rate_of(same, case, norms)
        rows.append(_row(f"norms, {case}: time of a training step", "at most", 1.3, ratios))
    for case in (classroom, paper, dense):
        ratio = memory.loc[[norms], case] / memory.loc["vmap", case]
        rows.append(_row(f"norms, {case}: memory against vmap", "at most", 0.6, ratio))
    return pd.DataFrame(rows)


def words(tables: Tables) -> Texts:
    """Ratios of times, and what they could be at the machine's peak; of the paper's sizes."""
    targets = targets_table(tables)
    ratio = targets.set_index("measure")["median"]
    arithmetic = arithmetic_table(tables).set_index(["case", "contender"])
    best = arithmetic["best_times_loop"]
    rounds = tables["times"].groupby("case", sort=False)["repetition"].nunique()
    products = tables["products"]
    fastest = (products["operations"] / products["seconds"]).groupby(products["precision"]).max()
    detection = tables["detection"].pivot(index="ood", columns="precision", values="auroc")
    return {
        **{name: f"{ratio[measure]:{form}}" for name, (measure, form) in _RATIOS.items()},
        **_floors(speed_table(tables["times"]), arithmetic["floor_ms"]),
        "cost_paper_floor": f"{best['paper Glow', 'batched']:.1f}",
        "cost_dense_floor": f"{best['paper DenseGlow', 'batched']:.0f}",
        "cost_paper_share": f"{arithmetic['share_of_peak']['paper Glow', 'batched']:.0%}",
        "cost_rounds": ", ".join(f"{case} {count}" for case, count in rounds.items()),
        "cost_met": f"{targets['met'].sum()} of {len(targets)}",
        "cost_missed": "; ".join(targets.loc[~targets["met"].astype(bool), "measure"]),
        "cost_bf16_products": f"{fastest['bf16'] / fastest['float32']:.2f}",
        "cost_bf16_auroc": f"{(detection['bf16'] - detection['float32']).abs().max():.3f}",
    }


def _rate_of(times: pd.DataFrame, case: str, contender: str) -> pd.Series:
    """Images per second in each round; of several batch sizes the one that is fastest."""
    own = times[(times["case"] == case) & (times["contender"] == contender)]
    rates = own.assign(rate=own["images"] / own["seconds"])
    rates = rates.pivot(index="repetition", columns="images", values="rate")
    return rates[rates.median().idxmax()]


def _row(measure: str, bound: str, limit: float, ratios: pd.Series) -> dict[str, object]:
    median = ratios.median()
    met = median >= limit if bound == "at least" else median <= limit
    spread = {"median": median, "low": ratios.min(), "high": ratios.max()}
    return {"measure": measure, "asked": f"{bound} {limit:g}x", **spread, "met": bool(met)}


def _floors(speeds: pd.DataFrame, floor: pd.Series) -> Texts:
    """What the machine's peak would allow our training step against normflows."""
    rate = best_rates(speeds)
    return {
        f"{name}_floor": f"{1e3 / floor[case, 'training step'] / rate[case, 'normflows']:.1f}"
        for name, case in _RIVALS.items()
    }
