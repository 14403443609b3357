"""Numbers of the chapter on textures and content."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import LowLevelFeatures
from earlyglow.findings.texts import Texts, with_interval
from earlyglow.titles import title_of

_SHOWN = {
    "control": "unchanged",
    "blurred": "blurred",
    "upside": "upside down",
    "patches": "shuffled patches",
}
# Averages this close say nothing of an order.
_TIE = 0.02


def distance_by_kind(gradients: pd.DataFrame) -> pd.DataFrame:
    """Mean distance of the AUROC from one half: columns kind, epoch, distance."""
    distance = gradients.assign(distance=(gradients["auroc"] - 0.5).abs())
    return distance.groupby(["kind", "epoch"], observed=True)["distance"].mean().reset_index()


def low_level_features(config: LowLevelFeatures, gradients: pd.DataFrame) -> Texts:
    """How well changes are seen early and late.

    Args:
        config: the study.
        gradients: its AUROCs of the gradient score.
    """
    early, _, last = config.shown_epochs
    at = distance_by_kind(gradients).set_index(["kind", "epoch"])["distance"]
    late = gradients[gradients["epoch"] == last].set_index("ood")
    texts = {name: with_interval(late.loc[row]) for name, row in _SHOWN.items()}
    texts["swap"] = with_interval(late[late["kind"] == "swap alone"].iloc[0])
    for kind, name in (("low level", "low"), ("content", "content")):
        texts[f"{name}_early"] = f"{at[kind, early]:.3f}"
        texts[f"{name}_late"] = f"{at[kind, last]:.3f}"
    lead = at["low level", early] - at["content", early]
    return texts | {
        "first": _which_first(lead),
        "early": f"{early:g}",
        "last": f"{last:g}",
        "id": title_of(config.id_dataset),
    }


def _which_first(lead: float) -> str:
    if abs(lead) <= _TIE:
        return "neither kind of change is noticed before the other"
    return f"changes of {'low-level statistics' if lead > 0 else 'content'} are noticed better"
