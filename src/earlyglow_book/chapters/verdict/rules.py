"""Every claim of the first paper as data: an identifier, its words, and the rule that judges it."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.verdict import kmnist_cases
from earlyglow_book.chapters.verdict.beside import beside_claims
from earlyglow_book.chapters.verdict.evidence import (
    Evidence,
    gain_by_complexity,
    overlap_correlation,
    poor_pairs,
)
from earlyglow_book.chapters.verdict.long_trainings import long_claims
from earlyglow_book.chapters.verdict.plan import plan_claims
from earlyglow_book.chapters.verdict.primary import primary_claims
from earlyglow_book.chapters.verdict.stopping import stopping_claims
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import (
    KMNIST_RANGE,
    LEAST_ID_SETS,
    Claim,
    Judgement,
    Verdict,
    greater,
    mean_in_words,
    of_seeds,
    too_few,
)
from earlyglow_book.tables.columns import FLOW, PAIR

# Below this a pair is poor, and above that it is rescued.
POOR, RESCUED = 0.6, 0.8


def claims_by_topic(evidence: Evidence) -> dict[str, list[Claim]]:
    """Every claim, judged from the published rows, under a title; the four primary ones first."""
    return {
        "The four main questions": primary_claims(evidence),
        "Beside the picture's own statistics": beside_claims(evidence.beside),
        "Stopping early": stopping_claims(evidence),
        "The likelihood, KMNIST, augmentation and support overlap": [
            _simple_ood(evidence),
            _simple_id_gets_worse(evidence),
            *_kmnist(evidence),
            _augmentation_does_not_rescue(evidence),
            *_overlap_grows_and_hurts(evidence),
            _wrong_density(),
            _bits_per_dim(evidence),
        ],
        "Longer trainings": long_claims(evidence),
        "Longer trainings: the plan's hypotheses": plan_claims(evidence),
    }


def judged_claims(evidence: Evidence) -> list[Claim]:
    """The claims of all topics in one list."""
    return [claim for claims in claims_by_topic(evidence).values() for claim in claims]


def _simple_ood(evidence: Evidence) -> Claim:
    simpler, others = gain_by_complexity(evidence)
    difference = inference.difference_over_sets(simpler, others)
    gains = [mean_in_words(inference.mean_over_sets(gain), "gain") for gain in (simpler, others)]
    return Claim(
        "simple_ood",
        "Gradients gain most on the likelihood where OOD images are simpler",
        "digest; found after looking here",
        "gain where OOD images have shorter PNG files than ID images, minus the gain elsewhere",
        f"{gains[0]}; elsewhere {gains[1]}; difference {difference}",
        greater(difference),
    )


def _simple_id_gets_worse(evidence: Evidence) -> Claim:
    rows = evidence.gradients[1]
    early, _ = pairs.early_and_late(rows)
    change = -pairs.gain_of_epoch(rows, early)
    _, not_simpler = pairs.pairs_by_complexity(change.index, evidence.complexity)
    mean = inference.mean_over_sets(change.loc[not_simpler])
    return Claim(
        "simple_id",
        "Where ID is simpler than OOD, longer training lowers the AUROC",
        "digest (of SVHN as ID, which we cannot train on)",
        f"pairs whose OOD images have longer PNG files: last epoch minus epoch {early:g}",
        mean_in_words(mean, "change"),
        greater(pairs.negative(mean)),
    )


def _kmnist(evidence: Evidence) -> list[Claim]:
    """All cases, and the part of them that is nearest to what the paper ran, labelled."""
    tables = {
        ("short", "log_prob"): evidence.gradients[1],
        ("short", "sum_z"): evidence.sum_z[1],
        **{("full size", name): rows for name, rows in evidence.full_size.items() if len(rows)},
    }
    cases = kmnist_cases.kmnist_cases(tables)
    later = kmnist_cases.kmnist_cases(tables, first=1)
    part = later[
        (later["size"] == "full size")
        & (later["id_dataset"] == "kmnist")
        & later["ood"].isin(kmnist_cases.PARTNERS)
    ]
    full = [rows["seed"].nunique() for rows in evidence.full_size.values() if len(rows)]
    low, high = KMNIST_RANGE
    questions = (
        (
            "kmnist",
            f"With KMNIST the AUROC stays between {low} and {high}",
            "every pair with KMNIST in either role, both objectives, both models, both sizes; mean "
            "over trained epochs",
            cases,
            evidence.gradients[1]["seed"].nunique(),
        ),
        (
            "kmnist_part",
            "… in the part that is nearest to the paper's",
            "a labelled part: the released one-channel model at its own size, KMNIST as ID, the "
            "paper's three OOD sets, mean over epochs from 1 on",
            part,
            min(full, default=0),
        ),
    )
    return [
        Claim(
            name,
            text,
            "digest (pairs, direction and objective unknown)",
            test,
            kmnist_cases.counted_places(rows),
            of_seeds(kmnist_cases.stays_inside(rows), seeds),
        )
        for name, text, test, rows, seeds in questions
    ]


def _augmentation_does_not_rescue(evidence: Evidence) -> Claim:
    rows, poor = evidence.augmentation, poor_pairs(evidence.gradients[1], POOR)
    last = rows["epoch"] == rows.groupby(FLOW)["epoch"].transform("max")
    rows = rows[last & (rows["group_size"] == 1)]
    table = rows.pivot_table(index=PAIR, columns="variant", values="auroc", observed=True)
    table = table[table.index.isin(poor)]
    number, judgement = "no poor pair was run", Judgement(Verdict.UNTESTED)
    if len(table):
        others = table.drop(columns="real images")
        changes = others.sub(table["real images"], axis=0)
        best = inference.mean_over_sets(changes[changes.mean().idxmax()])
        rescued = (others > RESCUED).any(axis=1).sum()
        number = (
            f"{len(table)} of {len(poor)} poor pairs run; mean change {changes.mean().min():+.3f} "
            f"to {best} over {changes.shape[1]} variants; {rescued} reach {RESCUED} in any"
        )
        judgement = _not_rescued(rescued, table.index)
    return Claim(
        "augmentation",
        "Synthetic augmentation does not rescue poor pairs",
        "digest",
        f"other training sets; pairs that are below {POOR} at epoch 5 of the sweep; single images",
        number,
        judgement,
    )


def _overlap_grows_and_hurts(evidence: Evidence) -> list[Claim]:
    """Both bandwidths: the verdict hangs on them."""
    claims, overlap = [], evidence.overlap[evidence.overlap["detector"] == "likelihood"]
    for estimator, bandwidth in (("kde", "Scott's rule"), ("kde_released", "the released 0.5")):
        growth, harm = (overlap_correlation(overlap, c, estimator) for c in ("epoch", "auroc"))
        claims += [
            Claim(
                f"overlap_grows_{estimator}",
                f"The support overlap of likelihoods grows with training (bandwidth: {bandwidth})",
                "digest",
                "rank correlation of overlap and epoch within each pair",
                mean_in_words(growth, "correlation"),
                greater(growth),
            ),
            Claim(
                f"overlap_hurts_{estimator}",
                f"… and goes with a worse likelihood detector (bandwidth: {bandwidth})",
                "digest",
                "rank correlation of overlap and AUROC over the epochs of each pair",
                mean_in_words(harm, "correlation"),
                greater(pairs.negative(harm)),
            ),
        ]
    return claims


def _wrong_density() -> Claim:
    return Claim(
        "wrong_density",
        "A mis-estimated density can order samples better than the true one",
        "digest (Neyman and Pearson)",
        "closed form in one dimension",
        "see the chapter on support overlap",
        Judgement(Verdict.HOLDS, ", as an existence proof about likelihoods"),
    )


def _bits_per_dim(evidence: Evidence) -> Claim:
    rows = evidence.paper_bits
    if len(rows):
        own = (rows["model"] == "glow") & (rows["id_dataset"] == "cifar10")
        rows = rows[own & (rows["dataset"] == "cifar10")].sort_values("epoch")
    last = rows.tail(1)
    return Claim(
        "bits_per_dim",
        "Glow reaches 4.265, 3.677 and 3.436 bits per dimension on CIFAR-10 (epochs 1, 10 and 250)",
        "code",
        "the paper's sizes on a GPU",
        "no published run of that length" if last.empty else f"{last['bits_per_dim'].item():.3f}",
        Judgement(Verdict.UNTESTED if last.empty else Verdict.OPEN),
    )


def _not_rescued(rescued: int, tried: pd.Index) -> Judgement:
    """One rescued pair refutes the claim, but a few that are not do not prove it."""
    id_sets = tried.get_level_values("id_dataset").nunique()
    if rescued:
        return Judgement(Verdict.FAILS, f" for {rescued} of {len(tried)} pairs")
    return Judgement(Verdict.HOLDS) if id_sets >= LEAST_ID_SETS else too_few(id_sets)
