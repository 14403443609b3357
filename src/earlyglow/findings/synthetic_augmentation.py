"""Numbers of the chapter on training on samples."""

from __future__ import annotations

import pandas as pd

from earlyglow.experiments import SyntheticAugmentation
from earlyglow.findings.texts import Texts, with_interval
from earlyglow.titles import title_of

_REAL = "real images"


def synthetic_augmentation(
    config: SyntheticAugmentation, single: pd.DataFrame, grouped: pd.DataFrame
) -> Texts:
    """The hardest pair and the means with real and with other training images.

    Args:
        config: the study.
        single: its AUROCs of single images.
        grouped: its AUROCs of groups of five at the last epoch.
    """
    last = config.training.epochs[-1]
    at_end = single[single["epoch"] == last]
    table = at_end.pivot(index="variant", columns="ood", values="auroc")
    real, others = table.loc[_REAL], table.drop(index=_REAL)
    hardest = real.idxmin()
    best, means = others[hardest].idxmax(), others.mean(axis=1)
    row = at_end[at_end["ood"] == hardest].set_index("variant")
    fives = grouped[grouped["ood"] == hardest].set_index("variant")
    best_five = fives["auroc"].drop(_REAL).idxmax()
    return {
        "hardest_real_five": with_interval(fives.loc[_REAL]),
        "hardest_best_five": with_interval(fives.loc[best_five]),
        "best_five": str(best_five),
        "hardest": title_of(str(hardest)),
        "hardest_real": with_interval(row.loc[_REAL]),
        "best": str(best),
        "hardest_best": with_interval(row.loc[best]),
        "variants": str(len(others)),
        "mean_real": f"{real.mean():.3f}",
        "mean_best": f"{means.max():.3f}",
        "mean_best_name": str(means.idxmax()),
        "mean_worst": f"{means.min():.3f}",
        "mean_worst_name": str(means.idxmin()),
        "last": f"{last:g}",
        "id": title_of(config.id_dataset),
    }
