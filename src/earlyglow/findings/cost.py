"""Numbers of the chapter on costs."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments.cost import arithmetic_table, speed_table, targets_table
from earlyglow.findings.texts import Texts
from earlyglow.store import Tables

_NORMS = {
    "cost_dense": "norms, paper DenseGlow: float32 against the loop",
    "cost_classroom": "norms, classroom Glow: float32 against the loop",
    "cost_paper": "norms, paper Glow: float32 against the loop",
}
_RIVALS = {"cost_normflows": "paper Glow", "cost_normflows_classroom": "classroom Glow"}


def cost(tables: Tables) -> Texts:
    """Ratios of times, and what they could be at the machine's peak; of the paper's sizes."""
    targets = targets_table(tables)
    ratio = targets.set_index("measure")["median"]
    arithmetic = arithmetic_table(tables).set_index(["case", "contender"])
    best = arithmetic["best_times_loop"]
    detection = tables["detection"].pivot(index="ood", columns="precision", values="auroc")
    texts = {name: f"{ratio[measure]:.0f}" for name, measure in _NORMS.items()}
    return (
        texts
        | _against_normflows(speed_table(tables["times"]), arithmetic["floor_ms"])
        | {
            "cost_classroom": f"{ratio[_NORMS['cost_classroom']]:.1f}",
            "cost_paper": f"{ratio[_NORMS['cost_paper']]:.1f}",
            "cost_paper_floor": f"{best['paper Glow', 'batched']:.1f}",
            "cost_dense_floor": f"{best['paper DenseGlow', 'batched']:.0f}",
            "cost_paper_share": f"{arithmetic['share_of_peak']['paper Glow', 'batched']:.0%}",
            "cost_met": f"{targets['met'].sum()} of {len(targets)}",
            "cost_missed": "; ".join(targets.loc[~targets["met"].astype(bool), "measure"]),
            "cost_bf16_auroc": f"{(detection['bf16'] - detection['float32']).abs().max():.3f}",
        }
    )


def _against_normflows(speeds: pd.DataFrame, floor: pd.Series) -> Texts:
    """Our training step's rate over that of normflows, and what the peak would allow."""
    rate = speeds.groupby(["case", "contender"])["images_per_second"].max()
    texts = {}
    for name, case in _RIVALS.items():
        rival = rate[case, "normflows"]
        texts[name] = f"{rate[case, 'training step'] / rival:.2f}"
        texts[f"{name}_floor"] = f"{1e3 / floor[case, 'training step'] / rival:.1f}"
    return texts
