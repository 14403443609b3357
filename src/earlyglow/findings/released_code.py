"""Numbers of the chapter on the released code."""

from __future__ import annotations

import pandas as pd
from scipy.stats import spearmanr

from earlyglow.experiments import ReleasedCode, collected
from earlyglow.experiments.references import RELEASED_GLOW_PARAMETERS, released_aurocs
from earlyglow.findings.texts import Texts, from_to, with_interval

_VARIANTS = {
    "gradient of Σ z": "sum_z",
    "guards of 1e-10": "guards",
    "fit set holds the scored images": "overlap",
    "one Gaussian per module": "module",
    "these three together": "all",
    "released initialisation": "start",
    "no dequantisation": "silent",
}


def beside_released(sweeps: pd.DataFrame) -> pd.DataFrame:
    """The released table after one epoch beside ours, for the pairs that both have.

    Args:
        sweeps: published AUROCs of epoch sweeps.

    Returns:
        Columns group_size, id_dataset, ood, released, ours.
    """
    keys = ["id_dataset", "ood", "group_size"]
    ours = sweeps[
        (sweeps["detector"] == "layer_gradients")
        & (sweeps["objective"] == "sum_z")
        & (sweeps["epoch"] == 1)
    ]
    means = ours.groupby(keys, observed=True)["auroc"].mean().rename("ours").reset_index()
    released = released_aurocs().query("epoch == 1").drop(columns="epoch")
    return released.merge(means, on=keys).rename(columns={"auroc": "released"})


def released_code(effects: pd.DataFrame, beside: pd.DataFrame) -> Texts:
    """Mean effects and their ranges over the pairs at the last epoch, single images.

    Args:
        effects: published changes of every variant.
        beside: :func:`beside_released`.
    """
    _, last = collected.early_and_late(effects)
    late = effects[(effects["epoch"] == last) & (effects["group_size"] == 1)]
    means = collected.means_over_pairs(late, ["variant"], "change").set_index("variant")
    texts = {"last": f"{last:g}"}
    for variant, name in _VARIANTS.items():
        change = late[late["variant"] == variant].groupby(collected.PAIR)["change"].mean()
        texts[f"effect_{name}"] = with_interval(means.loc[variant], "mean")
        texts[f"range_{name}"] = from_to(change)
        texts[f"size_{name}"] = f"{change.abs().mean():.3f}"
    together, silent = (
        int(means.loc[variant, "pairs"])
        for variant in ("these three together", "no dequantisation")
    )
    return texts | {"pairs": str(together), "dense_pairs": str(silent)} | _agreement(beside)


def _agreement(beside: pd.DataFrame) -> Texts:
    ours = ReleasedCode(id_dataset="cifar10").sweep.flow.build(0)
    size = sum(parameter.numel() for parameter in ours.parameters())
    texts = {
        "ratio": f"{RELEASED_GLOW_PARAMETERS / size:.0f}",
        "compared": str((beside["group_size"] == 1).sum()),
    }
    for b, part in beside.groupby("group_size"):
        texts[f"agreement_{b}"] = f"{spearmanr(part['released'], part['ours']).statistic:.2f}"
    return texts
