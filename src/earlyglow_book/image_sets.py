"""Which sets an experiment may compare: one in-distribution set with others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from earlyglow.datasets import DATASETS
from earlyglow.settings import unknown


def require_comparable(
    id_dataset: str, ood_datasets: Sequence[str], known: Iterable[str] = tuple(DATASETS)
) -> None:
    """Raise ValueError unless every set is known, and each of them is named once.

    Args:
        id_dataset: the in-distribution set, one of ``DATASETS``.
        ood_datasets: the sets to detect.
        known: names that they may have.
    """
    if id_dataset not in DATASETS:
        raise ValueError(unknown("data set", id_dataset, DATASETS))
    for name in ood_datasets:
        if name not in known:
            raise ValueError(unknown("data set", name, known))
    if len(set(ood_datasets)) < len(ood_datasets):
        raise ValueError(
            f"ood_datasets is {tuple(ood_datasets)}, but no set may be named twice; leave the "
            "second out."
        )
    if id_dataset in ood_datasets:
        raise ValueError(
            f"ood_datasets holds {id_dataset!r}, which is the in-distribution set; leave it out."
        )
