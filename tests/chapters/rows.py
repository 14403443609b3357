"""Rows such as the experiments store, with known AUROCs."""

from __future__ import annotations

import pandas as pd


def auroc_rows(values: dict[tuple[str, float], float], **others: object) -> pd.DataFrame:
    """Rows of (OOD set, epoch) → AUROC of the gradients of log p on single images."""
    same = {"detector": "layer_gradients", "objective": "log_prob", "group_size": 1, **others}
    rows = [
        {"ood": ood, "epoch": epoch, "auroc": a, "low": a - 0.1, "high": a + 0.1, **same}
        for (ood, epoch), a in values.items()
    ]
    return pd.DataFrame(rows)


def sweep(*means: float) -> pd.DataFrame:
    """A sweep at epochs 0, 1, 2, ... in which OOD set b is .1 better than a on the average."""
    values = {
        (o, float(e)): m + s for e, m in enumerate(means) for o, s in (("a", -0.05), ("b", 0.05))
    }
    return pd.concat(
        auroc_rows(values, group_size=b, detector=detector, objective=objective)
        for b in (1, 5)
        for detector, objective in (
            ("layer_gradients", "log_prob"),
            ("layer_gradients", "sum_z"),
            ("likelihood", ""),
        )
    )


def published(values: dict[tuple[str, int, float, int], float], detector: str) -> pd.DataFrame:
    """Rows of (ID set, seed, epoch, group size) → AUROC, as published_rows gives them."""
    return pd.DataFrame(
        [
            {"id_dataset": own, "ood": "x", "model": "glow", "seed": seed, "epoch": epoch}
            | {"group_size": size, "detector": detector, "auroc": auroc}
            for (own, seed, epoch, size), auroc in values.items()
        ]
    )
