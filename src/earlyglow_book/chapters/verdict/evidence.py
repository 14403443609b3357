"""What the claims are judged from: published rows, and numbers of each pair of sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from earlyglow_book.chapters.chaos import changes_by_epoch
from earlyglow_book.chapters.released_code import released_aurocs
from earlyglow_book.chapters.support_overlap import read_long_overlaps
from earlyglow_book.chapters.which_epoch import PAPER, WhichEpoch, read_half_aurocs, regret_rows
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.aurocs import select
from earlyglow_book.tables.beside import read_together
from earlyglow_book.tables.columns import PAIR, SETS
from earlyglow_book.tables.published_rows import (
    read_baseline_rows,
    read_gradient_rows,
    read_published_rows,
)

OBJECTIVES = ("log_prob", "sum_z")


@dataclass(frozen=True)
class Evidence:
    """Published rows.

    Attributes:
        gradients: AUROCs of the gradient score of log p, by group size.
        sum_z: those of the gradient of the summed latent, by group size.
        full_size: single images' of the released one-channel model at its own size, by objective.
        baselines: AUROCs of single images by detector: likelihood, typicality.
        no_flow: AUROCs of single images by the control without a flow.
        beside: AUROCs of a flow's score and the picture's, alone and together.
        released: the released code's own table.
        overlap: overlaps of support, at all epochs.
        complexity: mean length of each set's PNG files.
        augmentation: AUROCs of flows with altered training sets.
        paper_bits: bits per dimension of flows of the paper's size.
        long_readings: every reading of the long flows.
        long_fit_bits: bits of their fit halves.
        long_overlaps: overlaps of their likelihoods, by histograms.
        epoch_regrets: what each criterion for the epoch costs under the paper's score.
        chaos: how far two trainings end apart that differ in one bit, by model and epoch.
    """

    gradients: Mapping[int, pd.DataFrame]
    sum_z: Mapping[int, pd.DataFrame]
    full_size: Mapping[str, pd.DataFrame]
    baselines: Mapping[str, pd.DataFrame]
    no_flow: pd.DataFrame
    beside: pd.DataFrame
    released: pd.DataFrame
    overlap: pd.DataFrame
    complexity: pd.DataFrame
    augmentation: pd.DataFrame
    paper_bits: pd.DataFrame
    long_readings: pd.DataFrame
    long_fit_bits: pd.DataFrame
    long_overlaps: pd.DataFrame
    epoch_regrets: pd.DataFrame
    chaos: pd.DataFrame


def read_evidence() -> Evidence:
    """Everything that is published and that a claim is judged from."""
    return Evidence(
        gradients={size: read_gradient_rows(size) for size in (1, 5)},
        sum_z={size: read_gradient_rows(size, "sum_z") for size in (1, 5)},
        full_size={
            name: read_gradient_rows(objective=name, profile="full_size") for name in OBJECTIVES
        },
        baselines={name: read_baseline_rows(name) for name in ("likelihood", "typicality")},
        no_flow=select(read_published_rows("no_flow", "aurocs"), "no_flow"),
        beside=read_together(),
        released=released_aurocs(),
        overlap=read_published_rows("support_overlap", "overlap"),
        complexity=read_published_rows("likelihood_paradox", "complexity"),
        augmentation=read_published_rows("synthetic_augmentation", "aurocs"),
        paper_bits=read_published_rows("epoch_sweep", "epochs", profile="paper"),
        long_readings=read_published_rows("readings", "readings", profile="long"),
        long_fit_bits=read_published_rows("readings", "fit_bits", profile="long"),
        long_overlaps=read_long_overlaps(),
        epoch_regrets=_published_regrets(),
        chaos=changes_by_epoch(read_published_rows("chaos", "aurocs")),
    )


def _published_regrets() -> pd.DataFrame:
    chapter = WhichEpoch()
    id_only = chapter.read_rows("id_only")
    if id_only.empty:
        return pd.DataFrame()
    id_only = id_only[id_only["objective"] == chapter.objective]
    return regret_rows(read_half_aurocs(chapter), id_only, chapter.early, PAPER)


def change_by_groups(single: pd.DataFrame, five: pd.DataFrame) -> pd.Series:
    """AUROC of groups of five minus AUROC of single images, by pair, seed and trained epoch."""
    keys = [*PAIR, "seed", "epoch"]
    before, after = (
        pairs.trained_rows(rows).set_index(keys)["auroc"].sort_index() for rows in (single, five)
    )
    return after - before


def gain_over(gradients: pd.DataFrame, others: pd.DataFrame, epoch: float) -> pd.Series:
    """AUROC of the gradient score minus that of another detector at one epoch, by pair."""
    ours, theirs = (
        rows[rows["epoch"] == epoch].groupby(PAIR)["auroc"].mean() for rows in (gradients, others)
    )
    return ours - theirs


def gain_over_likelihood(evidence: Evidence) -> pd.Series:
    """AUROC of the gradient score minus that of the likelihood, at the last epoch, by pair."""
    gradients = evidence.gradients[1]
    _, last = pairs.early_and_late(gradients)
    return gain_over(gradients, evidence.baselines["likelihood"], last)


def gain_over_no_flow(evidence: Evidence, epoch: float) -> pd.Series:
    """AUROC of the gradient score minus that of the control without a flow, by pair."""
    rows = evidence.gradients[1]
    ours = rows[rows["epoch"] == epoch].groupby(PAIR)["auroc"].mean()
    control = evidence.no_flow.set_index(SETS)["auroc"]
    of_pair = pd.MultiIndex.from_arrays([ours.index.get_level_values(name) for name in SETS])
    return ours - control.reindex(of_pair).to_numpy()


def gain_by_complexity(evidence: Evidence) -> tuple[pd.Series, pd.Series]:
    """:func:`gain_over_likelihood` of the pairs whose OOD images are simpler, and of the others.

    Simpler are those whose PNG files are shorter on the average.
    """
    gain = gain_over_likelihood(evidence)
    simpler, others = pairs.pairs_by_complexity(gain.index, evidence.complexity)
    return gain.loc[simpler], gain.loc[others]


def overlap_correlation(overlap: pd.DataFrame, column: str, estimator: str) -> pairs.Mean:
    """Mean over pairs of the rank correlation of an overlap with a column over trained epochs.

    Args:
        overlap: overlaps of likelihoods.
        column: "epoch" or "auroc".
        estimator: the overlap's column: "kde" (Scott's bandwidth), "kde_released" (the released
            code's), or "overlap" of histograms.
    """
    found = pairs.correlation_within(pairs.trained_rows(overlap), column, estimator)
    mean = inference.mean_over_sets(found.groupby(level=PAIR).mean())
    return pairs.within_range(mean, -1, 1)


def poor_pairs(gradients: pd.DataFrame, below: float) -> pd.Index:
    """Pairs whose AUROC at epoch 5 of the sweep is low: their flows saw no altered image."""
    means = gradients[gradients["epoch"] == 5].groupby(PAIR)["auroc"].mean()
    return means.index[means < below]
