"""Claims about stopping early, from the classroom's short trainings and the released table."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.verdict import short_trainings
from earlyglow_book.chapters.verdict.evidence import Evidence
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import (
    Claim,
    Judgement,
    Verdict,
    mean_in_words,
    no_worse,
    too_few,
)
from earlyglow_book.tables.columns import SETS

# What the paper scores, by group size: its name in identifiers, and for readers.
_SIZES = {1: ("single", "single images"), 5: ("five", "groups of five")}
_OF_OBJECTIVE = {"log_prob": "", "sum_z": ", score of Σ z"}
# A permutation as good as the observed choice is this rare where flows have epochs of their own.
_LEVEL = 0.05


def stopping_claims(evidence: Evidence) -> list[Claim]:
    """Fixed epochs, epochs of each flow's own, no training, the full size, the released table."""
    return [
        *_stopping_early(evidence),
        *_own_epoch(evidence),
        *_untrained(evidence),
        _first_epoch_is_enough_at_full_size(evidence),
        *_released_table(evidence),
    ]


def _stopping_early(evidence: Evidence) -> list[Claim]:
    """No epoch is chosen: a band covers all of them at once."""
    claims = []
    for objective, tables in (("log_prob", evidence.gradients), ("sum_z", evidence.sum_z)):
        for size, (name, scored) in _SIZES.items():
            band = short_trainings.change_band(tables[size])
            claims.append(
                Claim(
                    f"stopped_early_{name}" + ("" if objective == "log_prob" else "_sum_z"),
                    "In short trainings a flow stopped early detects as well as at the last "
                    f"checkpoint: {scored}{_OF_OBJECTIVE[objective]}",
                    "digest",
                    f"every fixed epoch minus the last, {len(band)} epochs in one band that covers "
                    f"all; epochs of {short_trainings.length():,} images, where the paper has 200 "
                    "or 250 of the whole set",
                    _extremes(band, 3),
                    short_trainings.as_good(band),
                )
            )
    band = short_trainings.change_band(evidence.gradients[5], in_d_prime=True)
    claims.append(
        Claim(
            "stopped_early_five_d_prime",
            "… groups of five, in d′, which has no ceiling",
            "our question: near an AUROC of 1 nothing can change much",
            f"as above; a fall of d′ by {short_trainings.D_MARGIN} counts as none",
            _extremes(band, 2),
            short_trainings.as_good(band, short_trainings.D_MARGIN),
        )
    )
    return claims


def _extremes(band: pd.DataFrame, digits: int) -> str:
    """The best and the worst epoch of a band, by their steps."""
    best, worst = band["value"].idxmax(), band["value"].idxmin()
    parts = []
    for what, epoch in (("best", best), ("worst", worst)):
        value, low, high = (f"{band.loc[epoch, c]:+.{digits}f}" for c in ("value", "low", "high"))
        at = short_trainings.steps(float(epoch))
        parts.append(f"{what} {value} [{low}, {high}] at {at}")
    return "; ".join(parts)


def _own_epoch(evidence: Evidence) -> list[Claim]:
    claims = []
    for objective, size, rows in (
        ("log_prob", 1, evidence.gradients[1]),
        ("log_prob", 5, evidence.gradients[5]),
        ("sum_z", 1, evidence.sum_z[1]),
    ):
        if rows["seed"].nunique() < 2:
            continue
        found, (name, scored) = short_trainings.own_epoch(rows), _SIZES[size]
        placebo = found.placebo.iloc[:-1]
        distinct = found.p <= _LEVEL and found.gain.low > 0
        detail = "; no evidence for early epochs" if distinct else ""
        claims.append(
            Claim(
                f"own_epoch_{name}" + ("" if objective == "log_prob" else "_sum_z"),
                f"Each flow has a best epoch of its own: {scored}{_OF_OBJECTIVE[objective]}",
                "digest (it quotes 1 for Omniglot, 10 for SVHN, 50 for CIFAR-10)",
                "the epoch that is best for a flow's OOD sets, chosen on one seed, minus the last "
                "epoch, on the other seeds; judged against epochs permuted among flows",
                f"gain {found.gain}; permuted {found.null[0]:.3f} to {found.null[1]:.3f}; the same "
                f"choice gains {placebo.min():.3f} to {placebo.max():.3f} on other references",
                Judgement(Verdict.HOLDS if distinct else Verdict.OPEN, detail),
            )
        )
    return claims


def _untrained(evidence: Evidence) -> list[Claim]:
    claims = []
    for size, (name, scored) in _SIZES.items():
        mean = inference.mean_over_sets(pairs.gain_of_epoch(evidence.gradients[size], 0.0))
        claims.append(
            Claim(
                f"untrained_{name}",
                f"In short trainings no training at all is enough: {scored}",
                "our question: what is there before the flow has learned anything?",
                "epoch 0 minus the last epoch; at epoch 0 Glow's scales are set from a few images, "
                "nothing else",
                mean_in_words(mean, "change"),
                no_worse(mean),
            )
        )
    return claims


def _first_epoch_is_enough_at_full_size(evidence: Evidence) -> Claim:
    length = find_profile("full_size").images_per_epoch
    number, judgement = "no run of that size", Judgement(Verdict.UNTESTED)
    if len(evidence.full_size["log_prob"]):
        mean = inference.mean_over_sets(pairs.gain_of_epoch(evidence.full_size["log_prob"], 1.0))
        number, judgement = mean_in_words(mean, "change"), too_few(mean.id_sets)
    return Claim(
        "first_epoch_full_size",
        "… also of the released one-channel model at its own size",
        "digest",
        f"epoch 1 minus the last common epoch, of {length:,} images each; single images; one seed "
        "decides nothing",
        number,
        judgement,
    )


def _released_table(evidence: Evidence) -> list[Claim]:
    """The released code's own numbers, epoch 1 against epoch 10."""
    wide = evidence.released.pivot_table(
        index=[*SETS, "group_size"], columns="epoch", values="auroc"
    )
    claims = []
    for size, (name, scored) in _SIZES.items():
        if not len(wide):
            continue
        change = (wide[1] - wide[10]).xs(size, level="group_size")
        mean = inference.mean_over_sets(change)
        claims.append(
            Claim(
                f"released_{name}",
                f"In the released table epoch 1 is as good as epoch 10: {scored}",
                "code",
                "the table's own numbers; its epochs are passes through whole sets",
                mean_in_words(mean, "change"),
                no_worse(mean),
            )
        )
    return claims
