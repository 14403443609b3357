"""From raw times to the tables that a reader looks at."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from earlyglow_book.chapters.cost.contenders import TRAINING_STEP

Tables = Mapping[str, pd.DataFrame]


def speed_table(times: pd.DataFrame) -> pd.DataFrame:
    """Images per second of every contender at every batch size.

    Args:
        times: columns case, contender, images, repetition, seconds.

    Returns:
        One row for each case, contender and images, with the median rate, the smallest and the
        largest (images/s), and the median of the rounds' ratios to the loop (larger = faster).
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


def memory_table(memory: pd.DataFrame) -> pd.DataFrame:
    """Peak mebibytes of each contender (rows) for each case (columns), at equal batches."""
    few = memory.groupby("case")["images"].transform("min")
    equal = memory[memory["images"] == few]
    table = equal.assign(mib=equal["bytes"] / 2**20).pivot(
        index="contender", columns="case", values="mib"
    )
    return table.loc[list(dict.fromkeys(equal["contender"])), list(dict.fromkeys(equal["case"]))]


def arithmetic_table(tables: Tables) -> pd.DataFrame:
    """Operations of an image, the share of the machine's peak, and the floor at that peak.

    The peak is the fastest of the measured float32 matrix products. The floor is the time that
    the counted operations take at that peak; ``best_times_loop`` is how many times faster than
    the loop that would be.
    """
    peak = peak_rate(tables["products"], "float32")
    speeds = speed_table(tables["times"])
    rows = []
    for counted in tables["operations"].itertuples():
        each = counted.operations / counted.images
        own = speeds[(speeds["case"] == counted.case) & (speeds["contender"] == counted.contender)]
        if own.empty:
            continue
        fastest = own.loc[own["images_per_second"].idxmax()]
        loop = speeds[(speeds["case"] == counted.case) & (speeds["contender"] == "loop")]
        rows.append(
            {
                "case": counted.case,
                "contender": counted.contender,
                "gflop_per_image": each / 1e9,
                "gflop_per_second": each * fastest["images_per_second"] / 1e9,
                "share_of_peak": each * fastest["images_per_second"] / peak,
                "floor_ms": 1e3 * each / peak,
                "best_times_loop": peak / each / loop["images_per_second"].item(),
            }
        )
    return pd.DataFrame(rows)


def peak_rate(products: pd.DataFrame, precision: str) -> float:
    """Operations per second of the fastest measured product."""
    own = products[products["precision"] == precision]
    return float((own["operations"] / own["seconds"]).max())


def targets_table(tables: Tables) -> pd.DataFrame:
    """What was asked of this implementation, and what was measured.

    Returns:
        Columns measure, asked, median, low, high (of the rounds), met. Ratios of times compare
        calls of one round.
    """
    times = tables["times"]
    step, norms = TRAINING_STEP, "batched"
    low = f"{norms} bf16"
    dense, paper, classroom = "paper DenseGlow", "paper Glow", "classroom Glow"
    asked = [
        ("norms, paper DenseGlow: float32 against the loop", dense, norms, "loop", 25.0),
        ("norms, paper DenseGlow: bf16 against the loop", dense, low, "loop", 60.0),
        ("norms, classroom Glow: float32 against the loop", classroom, norms, "loop", 8.0),
        ("norms, paper Glow: float32 against the loop", paper, norms, "loop", 3.0),
        ("norms, paper Glow: bf16 against the loop", paper, low, "loop", 5.0),
        ("training step, classroom Glow: against normflows", classroom, step, "normflows", 2.0),
        ("training step, paper Glow: against normflows", paper, step, "normflows", 2.0),
    ]
    rows = []
    for measure, case, ours, theirs, least in asked:
        ratios = _rate_of(times, case, ours) / _rate_of(times, case, theirs)
        rows.append(_row(measure, f"at least {least:g}x", ratios, ratios.median() >= least))
    for case in (paper, dense):
        batch = times.loc[(times["case"] == case) & (times["contender"] == step), "images"].max()
        same = times[times["images"] == batch]
        ratios = _rate_of(same, case, step) / _rate_of(same, case, norms)
        measure = f"norms, {case}: time of a training step"
        rows.append(_row(measure, "at most 1.3x", ratios, ratios.median() <= 1.3))
    memory = memory_table(tables["memory"])
    for case in (classroom, paper, dense):
        ratio = pd.Series([memory.loc[norms, case] / memory.loc["vmap", case]])
        measure = f"norms, {case}: memory against vmap"
        rows.append(_row(measure, "at most 0.6x", ratio, ratio.item() <= 0.6))
    return pd.DataFrame(rows)


def _rate_of(times: pd.DataFrame, case: str, contender: str) -> pd.Series:
    """Images per second in each round; of several batch sizes the one that is fastest."""
    own = times[(times["case"] == case) & (times["contender"] == contender)]
    rates = own.assign(rate=own["images"] / own["seconds"]).pivot(
        index="repetition", columns="images", values="rate"
    )
    return rates[rates.median().idxmax()]


def _row(measure: str, asked: str, ratios: pd.Series, met: bool) -> dict[str, object]:
    spread = {"median": ratios.median(), "low": ratios.min(), "high": ratios.max()}
    return {"measure": measure, "asked": asked, **spread, "met": bool(met)}
