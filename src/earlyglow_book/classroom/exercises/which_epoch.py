"""What a choice costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.uniform(0.4, 0.9, (flows, epochs)), rng.integers(0, epochs, flows))
        for flows, epochs in ((1, 3), (4, 6), (8, 5))
    ]


def _regret(aurocs: Array, chosen: NDArray[np.int64]) -> float:
    return float(
        np.mean([row.max() - row[place] for row, place in zip(aurocs, chosen, strict=True)])
    )


EXERCISES = {
    "regret": Exercise(
        truth=_regret,
        cases=_cases,
        mistakes={
            "all flows are compared with the best epoch on average, but each has a best epoch of "
            "its own.": lambda aurocs, chosen: (
                aurocs.mean(0).max() - aurocs[np.arange(len(aurocs)), chosen].mean()
            ),
            "each flow is judged at the epochs that were chosen for all of them; take one epoch "
            "for each flow.": lambda aurocs, chosen: (
                aurocs.max(1).mean() - aurocs[:, chosen].mean()
            ),
            "the sign is wrong: a regret is never negative.": lambda a, c: -_regret(a, c),
        },
    ),
}
