"""Numbers of the chapter on KMNIST."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import KmnistFailure
from earlyglow.experiments.claims import KMNIST_RANGE
from earlyglow.findings.epoch_sweep import bits_of
from earlyglow.findings.texts import Texts, with_interval
from earlyglow.store import Tables
from earlyglow.titles import title_of

_EXPLANATIONS = {
    "as measured": "measured",
    "objective sum_z": "sum_z",
    "fit set overlaps": "overlap",
    "scored without noise": "silent",
    "trained without noise": "untrained",
    "OOD inverted": "inverted",
    "OOD with ID ink": "ink",
    "OOD with ID spectrum": "spectrum",
}


def kmnist_failure(
    config: KmnistFailure, rows: pd.DataFrame, tables: Tables, sweep: Tables
) -> Texts:
    """The range of all AUROCs with KMNIST, and what each explanation changes.

    Args:
        config: the study.
        rows: AUROCs of the gradient score on single images in which KMNIST is one of the sets, of
            both objectives, at the trained epochs.
        tables: the study's tables.
        sweep: tables of the study's sweep.
    """
    middle = config.shown_epochs[1]
    explanations, controls = tables["explanations"], tables["controls"]
    return (
        _ranges(rows)
        | _hardest(rows)
        | _effects(explanations[explanations["epoch"] == middle])
        | _beyond_controls(
            explanations[explanations["epoch"] == middle], controls[controls["epoch"] == middle]
        )
        | _bits(config, sweep)
        | {"middle": f"{middle:g}"}
    )


def _ranges(rows: pd.DataFrame) -> Texts:
    as_id, as_ood = (rows.loc[rows[c] == "kmnist", "auroc"] for c in ("id_dataset", "ood"))
    return {
        "as_id": f"{as_id.min():.2f} to {as_id.max():.2f}",
        "as_ood": f"{as_ood.min():.2f} to {as_ood.max():.2f}",
        "within": f"{rows['auroc'].between(*KMNIST_RANGE).mean():.0%}",
    }


def _hardest(rows: pd.DataFrame) -> Texts:
    """Of a convolutional Glow that was trained on KMNIST, by the gradients of log p."""
    ours = (rows["id_dataset"] == "kmnist") & (rows["model"] == "glow")
    means = rows[ours & (rows["objective"] == "log_prob")].groupby("ood")["auroc"].mean()
    return {
        "hardest": title_of(str(means.idxmin())),
        "hardest_auroc": f"{means.min():.2f}",
        "easiest": title_of(str(means.idxmax())),
        "easiest_auroc": f"{means.max():.2f}",
    }


def _effects(explanations: pd.DataFrame) -> Texts:
    table = explanations.pivot_table(
        index="explanation", columns="ood", values="auroc", observed=True
    )
    texts = {f"why_{name}": f"{table.loc[row].mean():.2f}" for row, name in _EXPLANATIONS.items()}
    by_ink = table.loc["OOD with ID ink"] - table.loc["as measured"]
    arranged = table.loc["OOD with ID spectrum"]
    return texts | {
        "ink_easier": str((by_ink > 0).sum()),
        "ink_harder": str((by_ink < 0).sum()),
        "arranged": f"{arranged.min():.2f} to {arranged.max():.2f}",
    }


def _beyond_controls(explanations: pd.DataFrame, controls: pd.DataFrame) -> Texts:
    """How many OOD sets are detected for sure better than ID images that were changed alike."""
    texts = {}
    for name in ("ink", "spectrum"):
        control = controls.set_index("control").loc[f"ID with ID {name}"]
        changed = explanations[explanations["explanation"] == f"OOD with ID {name}"]
        beyond = (changed["low"] > control["high"]).sum()
        texts[f"control_{name}"] = with_interval(control)
        texts[f"beyond_{name}"] = f"{beyond} of {len(changed)}"
    return texts


def _bits(config: KmnistFailure, sweep: Tables) -> Texts:
    """The flow's own quality at its last epoch beside its best."""
    bits = bits_of(sweep["epochs"], config.id_dataset)
    return {
        "bits_last": f"{bits.iloc[-1]:.2f}",
        "bits_best": f"{bits.min():.2f}",
        "bits_best_epoch": f"{bits.idxmin():g}",
        "bits_last_epoch": f"{bits.index[-1]:g}",
    }
