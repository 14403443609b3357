"""Numbers of the chapter on costs."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.cost.tables import (
    arithmetic_table,
    best_rates,
    speed_table,
    targets_table,
)
from earlyglow_book.results import Tables
from earlyglow_book.tables.texts import Texts

_RATIOS = {
    "cost_dense": ("norms, paper DenseGlow: float32 against the loop", ".0f"),
    "cost_classroom": ("norms, classroom Glow: float32 against the loop", ".1f"),
    "cost_paper": ("norms, paper Glow: float32 against the loop", ".1f"),
    "cost_normflows": ("training step, paper Glow: against normflows", ".2f"),
    "cost_normflows_classroom": ("training step, classroom Glow: against normflows", ".2f"),
}
_RIVALS = {"cost_normflows": "paper Glow", "cost_normflows_classroom": "classroom Glow"}


def words(tables: Tables) -> Texts:
    """Ratios of times, and what they could be at the machine's peak; of the paper's sizes."""
    targets = targets_table(tables)
    ratio = targets.set_index("measure")["median"]
    arithmetic = arithmetic_table(tables).set_index(["case", "contender"])
    best = arithmetic["best_times_loop"]
    rounds = tables["times"].groupby("case", sort=False)["repetition"].nunique()
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
        "cost_bf16_auroc": f"{(detection['bf16'] - detection['float32']).abs().max():.3f}",
    }


def _floors(speeds: pd.DataFrame, floor: pd.Series) -> Texts:
    """What the machine's peak would allow our training step against normflows."""
    rate = best_rates(speeds)
    return {
        f"{name}_floor": f"{1e3 / floor[case, 'training step'] / rate[case, 'normflows']:.1f}"
        for name, case in _RIVALS.items()
    }
