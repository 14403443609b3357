"""What the claims are judged from: published rows, and numbers of each pair of sets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from earlyglow_book.tables import pairs
from earlyglow_book.tables.published_rows import (
    read_baseline_rows,
    read_gradient_rows,
    read_published_rows,
)


@dataclass(frozen=True)
class Evidence:
    """Published rows.

    Attributes:
        gradients: AUROCs of the gradient score of log p, by group size.
        sum_z: those of the gradient of the summed latent, single images.
        full_size: those of log p at full size, single images.
        baselines: AUROCs of single images by detector: likelihood, typicality.
        overlap: overlaps of support, at all epochs.
        complexity: mean length of each set's PNG files.
        augmentation: AUROCs of flows with altered training sets.
        paper_bits: bits per dimension of flows of the paper's size.
    """

    gradients: Mapping[int, pd.DataFrame]
    sum_z: pd.DataFrame
    full_size: pd.DataFrame
    baselines: Mapping[str, pd.DataFrame]
    overlap: pd.DataFrame
    complexity: pd.DataFrame
    augmentation: pd.DataFrame
    paper_bits: pd.DataFrame


def read_evidence() -> Evidence:
    """Everything that is published and that a claim is judged from."""
    return Evidence(
        gradients={size: read_gradient_rows(size) for size in (1, 5)},
        sum_z=read_gradient_rows(objective="sum_z"),
        full_size=read_gradient_rows(profile="full_size"),
        baselines={name: read_baseline_rows(name) for name in ("likelihood", "typicality")},
        overlap=read_published_rows("support_overlap", "overlap"),
        complexity=read_published_rows("likelihood_paradox", "complexity"),
        augmentation=read_published_rows("synthetic_augmentation", "aurocs"),
        paper_bits=read_published_rows("epoch_sweep", "epochs", profile="paper"),
    )


def stopping_early(rows: pd.DataFrame) -> pairs.Mean:
    """Mean over the pairs of the AUROC at an early epoch minus that at the last.

    Half of the ID sets choose the trained epoch before the last that is best for them, and the
    other half is judged: an epoch that is chosen on the flows that it is judged on would win by
    chance. The gain is the mean over all ways to halve the sets, because no single one of them is
    better than another. The choice depends on the sets too, so the interval is a jackknife's that
    leaves out one ID set after the other and chooses anew.
    """
    return pairs.jackknife(rows, _mean_over_halves)


def spread_of_stopping_early(rows: pd.DataFrame) -> tuple[float, float]:
    """The smallest and the largest mean gain of one way to halve the ID sets."""
    gains = _gains_by_half(rows)
    means = gains["gain"] / gains["pairs"]
    return float(means.min()), float(means.max())


def _mean_over_halves(rows: pd.DataFrame) -> float:
    """Every pair is judged by as many halves, so it counts as much as any other."""
    gains = _gains_by_half(rows)
    return float(gains["gain"].sum() / gains["pairs"].sum())


def _gains_by_half(rows: pd.DataFrame) -> pd.DataFrame:
    """Summed gain and number of the pairs that did not choose, a row for each half that chose."""
    _, last = pairs.early_and_late(rows)
    # Only epochs that every flow has can be chosen for another.
    table = pairs.mean_over_seeds(pairs.trained_rows(rows)).dropna(axis=1)
    by_set = table.groupby(level="id_dataset").sum()
    counts = table.groupby(level="id_dataset").size().to_numpy()
    candidates = by_set.drop(columns=last).to_numpy()
    gains = candidates - by_set[[last]].to_numpy()
    found = []
    for half in itertools.combinations(range(len(by_set)), len(by_set) // 2):
        epoch = candidates[list(half)].sum(axis=0).argmax()
        judged = np.delete(np.arange(len(by_set)), half)
        found.append((gains[judged, epoch].sum(), counts[judged].sum()))
    return pd.DataFrame(found, columns=["gain", "pairs"])


def gain_of_own_epoch(rows: pd.DataFrame) -> pd.Series:
    """AUROC at an epoch of each flow's own minus AUROC at the last, for each pair.

    The epoch is the trained one before the last with the largest mean over the OOD sets of the
    flow. It is chosen on one seed and judged on the others; every seed chooses once, and the means
    over them are returned (none with one seed). All seeds score the same images, so what these
    images have by chance helps the choice.
    """
    _, last = pairs.early_and_late(rows)
    table = pairs.trained_rows(rows).pivot_table(
        index=[*pairs.PAIR, "seed"], columns="epoch", values="auroc"
    )
    seeds = table.index.get_level_values("seed")
    gains = []
    for seed in seeds.unique():
        chosen_on, judged_on = table[seeds == seed], table[seeds != seed].groupby(pairs.PAIR).mean()
        means = chosen_on.drop(columns=last).groupby(["id_dataset", "model"]).mean()
        for (name, model), epoch in means.idxmax(axis=1).items():
            keys = judged_on.index.get_level_values
            flow = judged_on[(keys("id_dataset") == name) & (keys("model") == model)]
            gains.append(flow[epoch] - flow[last])
    return pd.concat(gains).groupby(pairs.PAIR).mean()


def change_by_groups(single: pd.DataFrame, five: pd.DataFrame) -> pd.Series:
    """AUROC of groups of five minus AUROC of single images, by pair, seed and trained epoch."""
    keys = [*pairs.PAIR, "seed", "epoch"]
    before, after = (
        pairs.trained_rows(rows).set_index(keys)["auroc"].sort_index() for rows in (single, five)
    )
    return after - before


def gain_over(gradients: pd.DataFrame, others: pd.DataFrame, epoch: float) -> pd.Series:
    """AUROC of the gradient score minus that of another detector at one epoch, by pair."""
    ours, theirs = (
        rows[rows["epoch"] == epoch].groupby(pairs.PAIR)["auroc"].mean()
        for rows in (gradients, others)
    )
    return ours - theirs


def gain_over_likelihood(evidence: Evidence) -> pd.Series:
    """AUROC of the gradient score minus that of the likelihood, at the last epoch, by pair."""
    gradients = evidence.gradients[1]
    _, last = pairs.early_and_late(gradients)
    return gain_over(gradients, evidence.baselines["likelihood"], last)


def gain_by_complexity(evidence: Evidence) -> tuple[pd.Series, pd.Series]:
    """:func:`gain_over_likelihood` of the pairs whose OOD images are simpler, and of the others.

    Simpler are those whose PNG files are shorter on the average.
    """
    gain = gain_over_likelihood(evidence)
    simpler, others = pairs.pairs_by_complexity(gain.index, evidence.complexity)
    return gain.loc[simpler], gain.loc[others]


def overlap_correlation(overlap: pd.DataFrame, column: str) -> pd.Series:
    """Rank correlation of the likelihoods' overlap with a column over trained epochs, by pair."""
    rows = pairs.trained_rows(overlap)
    found = pairs.correlation_within(rows[rows["detector"] == "likelihood"], column, "kde")
    return found.groupby(level=pairs.PAIR).mean()


def poor_pairs(gradients: pd.DataFrame, below: float, epoch: float = 5) -> pd.Index:
    """Pairs whose AUROC at an epoch of the sweep is low: their flows saw no altered image."""
    means = gradients[gradients["epoch"] == epoch].groupby(pairs.PAIR)["auroc"].mean()
    return means.index[means < below]
