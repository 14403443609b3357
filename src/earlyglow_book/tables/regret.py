"""What a choice of epoch or reading costs against the best one, from histograms of the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlyglow.metrics import auroc_of_counts
from earlyglow_book.tables.columns import FLOW

Counts = NDArray[np.int64]
# An epoch and a reading.
Choice = tuple[float, str]


def read_counts(stored: bytes) -> Counts:
    """A stored histogram's counts, which are numbers of 16 bits."""
    return np.frombuffer(stored, np.uint16).astype(np.int64)


def halves(counts: Counts, generator: np.random.Generator) -> tuple[Counts, Counts]:
    """The images of a histogram in two halves, drawn without replacement."""
    first = generator.multivariate_hypergeometric(counts, int(counts.sum()) // 2)
    return first, counts - first


def half_aurocs(histograms: pd.DataFrame, id_dataset: str, seed: int = 0) -> pd.DataFrame:
    """AUROCs of one flow on two disjoint halves of the images, at every epoch and reading.

    Each epoch is divided anew, because a histogram does not know which image is where.

    Args:
        histograms: one flow's rows of one objective and group size: epoch, detector, dataset,
            counts (bytes of 16-bit numbers).
        id_dataset: its ID set.
        seed: of the division.

    Returns:
        Index ood; columns (half, epoch, detector), half 0 or 1.
    """
    generator, found = np.random.default_rng(seed), {}
    for (epoch, detector), part in histograms.groupby(["epoch", "detector"], observed=True):
        divided = {
            row.dataset: halves(read_counts(row.counts), generator) for row in part.itertuples()
        }
        own = divided.pop(id_dataset)
        for half in (0, 1):
            found[half, float(epoch), str(detector)] = {
                name: auroc_of_counts(own[half], counts[half]) for name, counts in divided.items()
            }
    table = pd.DataFrame(found).rename_axis("ood")
    return table.rename_axis(columns=["half", "epoch", "detector"])


def regrets(aurocs: pd.DataFrame, choices: Mapping[str, Choice]) -> pd.DataFrame:
    """What each choice loses against the best one of another half, for each OOD set.

    The best epoch and reading are found on one half of the images and judged on the other, where
    the choice is judged as well; both directions are averaged.

    Args:
        aurocs: of :func:`half_aurocs`, of the epochs and readings among which is chosen.
        choices: by the criterion's name.

    Returns:
        Index ood, one column for each criterion.
    """
    found = {name: np.zeros(len(aurocs)) for name in choices}
    for half in (0, 1):
        seen, judged = aurocs[half], aurocs[1 - half]
        best = seen.to_numpy().argmax(1)
        reached = judged.to_numpy()[np.arange(len(judged)), best]
        for name, choice in choices.items():
            found[name] += (reached - judged[choice].to_numpy()) / 2
    return pd.DataFrame(found, index=aurocs.index)


def by_flow(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str, int], pd.DataFrame]]:
    """The rows of each flow: its ID set, model and seed, and its part."""
    for flow, part in rows.groupby(FLOW):
        yield (str(flow[0]), str(flow[1]), int(flow[2])), part
