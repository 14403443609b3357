"""Whether a flow's score adds to the picture's own statistics when both are used together."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.tables import inference
from earlyglow_book.tables.claims import MARGIN, Claim, adds, mean_in_words
from earlyglow_book.tables.columns import PAIR

_SCORES = {"layer_gradients": "gradient score", "likelihood": "likelihood"}


def beside_claims(beside: pd.DataFrame) -> list[Claim]:
    """A row for each score that stands beside the picture's.

    Args:
        beside: of :func:`earlyglow_book.tables.beside.together`; nothing is claimed where it is
            empty.
    """
    if beside.empty:
        return []
    return [_claim(detector, beside) for detector in _SCORES]


def gain_beside(beside: pd.DataFrame, detector: str) -> pd.Series:
    """AUROC of both scores together minus that of the picture's alone, by pair."""
    rows = beside[beside["detector"] == detector]
    return rows.assign(gain=rows["both"] - rows["picture"]).groupby(PAIR)["gain"].mean()


def _claim(detector: str, beside: pd.DataFrame) -> Claim:
    mean = inference.mean_over_sets(gain_beside(beside, detector))
    rows = beside[beside["detector"] == detector]
    alone = ", ".join(f"{name} {rows[name].mean():.3f}" for name in ("flow", "picture", "both"))
    return Claim(
        f"beside_{detector}",
        f"The {_SCORES[detector]} adds to the picture's statistics when both are used",
        "our question: what does a flow add?",
        f"epoch {rows['epoch'].max():g}, single images: both scores as p-values, combined by "
        f"Fisher's rule, minus the picture's alone; a gain below {MARGIN} counts as none",
        f"{mean_in_words(mean, 'gain')} (mean AUROC: {alone})",
        adds(mean),
    )
