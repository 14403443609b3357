"""The digest's claims about groups and overlap again, on the flows that saw a million images."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.verdict.evidence import Evidence, change_by_groups, overlap_correlation
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.aurocs import select
from earlyglow_book.tables.claims import Claim, greater, mean_in_words, of_seeds
from earlyglow_book.tables.columns import PAIR


def long_claims(evidence: Evidence) -> list[Claim]:
    """Groups against single images, and overlap against training and AUROC, in long trainings."""
    if evidence.long_readings.empty:
        return []
    profile = find_profile("long")
    images = (profile.images_per_epoch or 0) * max(profile.epochs)
    return [
        _groups(evidence.long_readings, f"flows that saw up to {images:,.0f} images"),
        *_overlap(evidence.long_overlaps),
    ]


def _groups(readings: pd.DataFrame, flows: str) -> Claim:
    single, five = (
        select(readings, "layer_gradients", "log_prob", group_size=size) for size in (1, 5)
    )
    mean = inference.mean_over_sets(change_by_groups(single, five).groupby(level=PAIR).mean())
    return Claim(
        "groups_long",
        "Groups of five beat single images: longer trainings",
        "digest",
        f"{flows}; means over all trained checkpoints",
        mean_in_words(mean, "change"),
        of_seeds(greater(mean), single["seed"].nunique()),
    )


def _overlap(overlaps: pd.DataFrame) -> list[Claim]:
    growth, harm = (overlap_correlation(overlaps, c, "overlap") for c in ("epoch", "auroc"))
    seeds = overlaps["seed"].nunique()
    test = "rank correlation of overlap and {} over the checkpoints of each pair; histograms"
    return [
        Claim(
            "overlap_grows_long",
            "The support overlap of likelihoods grows with training: longer trainings",
            "digest",
            test.format("epoch"),
            mean_in_words(growth, "correlation"),
            of_seeds(greater(growth), seeds),
        ),
        Claim(
            "overlap_hurts_long",
            "… and goes with a worse likelihood detector: longer trainings",
            "digest",
            test.format("AUROC"),
            mean_in_words(harm, "correlation"),
            of_seeds(greater(pairs.negative(harm)), seeds),
        ),
    ]
