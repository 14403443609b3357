"""Every claim of the first paper as data: an identifier, its words, and the rule that judges it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from earlyglow_book.chapters.verdict.evidence import (
    Evidence,
    change_by_groups,
    gain_by_complexity,
    gain_of_own_epoch,
    gain_over_likelihood,
    overlap_correlation,
    poor_pairs,
    stopping_early,
)
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import (
    KMNIST_RANGE,
    LEAST_ID_SETS,
    MARGIN,
    Claim,
    Judgement,
    Verdict,
    counted,
    greater,
    no_worse,
    too_few,
)

# Below this a pair is poor, and above that it is rescued.
POOR, RESCUED = 0.6, 0.8
# What the paper scores, by group size: its name in identifiers, and for readers.
_SIZES = {1: ("single", "single images"), 5: ("five", "groups of five")}
_Statistic = Callable[[pd.DataFrame], pairs.Mean]
_Rule = Callable[[pairs.Mean], Judgement]


def judged_claims(evidence: Evidence) -> list[Claim]:
    """Every claim, judged from the published rows."""
    return [
        *_less_training_is_enough(evidence),
        _first_epoch_is_enough_at_full_size(evidence),
        _groups_help(evidence),
        *_gradients_beat_likelihood(evidence),
        _simple_id_gets_worse(evidence),
        _kmnist_fails(evidence),
        _augmentation_does_not_rescue(evidence),
        *_overlap_grows_and_hurts(evidence),
        _wrong_density(),
        _bits_per_dim(evidence),
    ]


def _less_training_is_enough(evidence: Evidence) -> list[Claim]:
    _, last = pairs.early_and_late(evidence.gradients[1])
    length = find_profile("classroom").images_per_epoch
    # Identifier, claim, source, test, how the AUROC changes, and the rule.
    questions: tuple[tuple[str, str, str, str, _Statistic, _Rule], ...] = (
        (
            "stopped_early",
            "A flow stopped early detects as well as a fully trained one, or better",
            "digest",
            f"the early epoch that is best for half of the ID sets, less epoch {last:g}, on the "
            "other half, mean over all ways to halve, jackknife interval; epochs of "
            f"{length:,} images (the paper: 200 or 250 of the whole set)",
            stopping_early,
            no_worse,
        ),
        (
            "own_epoch",
            "… when each ID set may have its own best epoch",
            "digest (it quotes 1 for Omniglot, 10 for SVHN, 50 for CIFAR-10)",
            "the early epoch that is best for the OOD sets of a flow, chosen on one seed, less the "
            "last epoch, on the other seeds; the choice sees the OOD images, which helps it, so "
            "that the verdict is never more than as good",
            lambda rows: pairs.mean_over_pairs(gain_of_own_epoch(rows)),
            _as_good_at_most,
        ),
        (
            "first_epoch",
            "… and one epoch is enough",
            "our question (the code's tables have epochs 1 and 10)",
            "epoch 1 less last epoch",
            lambda rows: pairs.mean_over_pairs(pairs.gain_of_epoch(rows, 1.0)),
            no_worse,
        ),
        (
            "untrained",
            "… and no training at all",
            "our question: what is there before the flow has learned anything?",
            "epoch 0 less last epoch; at epoch 0 Glow's scales are set from a few images, nothing "
            "else",
            lambda rows: pairs.mean_over_pairs(pairs.gain_of_epoch(rows, 0.0)),
            no_worse,
        ),
    )
    claims = []
    for name, text, source, test, statistic, rule in questions:
        for size, (name_of_size, scored) in _SIZES.items():
            mean = statistic(evidence.gradients[size])
            number, about = _of(mean, "change of the AUROC"), f"{text}: {scored}"
            claims.append(Claim(f"{name}_{name_of_size}", about, source, test, number, rule(mean)))
    return claims


def _first_epoch_is_enough_at_full_size(evidence: Evidence) -> Claim:
    length = find_profile("full_size").images_per_epoch
    number, judgement = "no run of that size", Judgement(Verdict.UNTESTED)
    if len(evidence.full_size):
        gain = pairs.gain_of_epoch(evidence.full_size, 1.0)
        mean = pairs.within_range(pairs.mean_over_pairs(gain), -1, 1)
        number, judgement = _of(mean, "change of the AUROC"), no_worse(mean)
    return Claim(
        "first_epoch_full_size",
        "… also of the released one-channel model at its own size",
        "digest",
        f"epoch 1 less the last common epoch, of {length:,} images each; single images, one seed",
        number,
        judgement,
    )


def _groups_help(evidence: Evidence) -> Claim:
    change = change_by_groups(evidence.gradients[1], evidence.gradients[5])
    mean = pairs.mean_over_pairs(change.groupby(level=pairs.PAIR).mean())
    share = (change >= -MARGIN).mean()
    on_average = greater(mean)
    detail = on_average.detail + ("" if share == 1 else " on average, not in every case")
    return Claim(
        "groups",
        "Groups of five beat single images throughout",
        "digest",
        f"all trained epochs and seeds; a loss of up to {MARGIN} counts as equal",
        f"{_of(mean, 'change of the AUROC')}; no worse in {share:.1%} of all cases",
        Judgement(on_average.verdict, detail),
    )


def _gradients_beat_likelihood(evidence: Evidence) -> tuple[Claim, Claim]:
    mean = inference.mean_over_sets(gain_over_likelihood(evidence))
    simpler, others = gain_by_complexity(evidence)
    difference = pairs.difference_over_pairs(simpler, others)
    gains = [_of(pairs.mean_over_pairs(gain), "gain") for gain in (simpler, others)]
    return (
        Claim(
            "likelihood",
            "The gradient score beats the likelihood",
            "digest",
            "last epoch, single images; the interval leaves out each data set, as ID and as OOD",
            _of(mean, "gain of the AUROC"),
            greater(mean),
        ),
        Claim(
            "simple_ood",
            "… most of all for a complex ID set against a simple OOD set",
            "digest",
            "gain where OOD images have shorter PNG files than ID images, less the gain elsewhere",
            f"{gains[0]}, less {gains[1]}: difference {difference}",
            greater(difference),
        ),
    )


def _simple_id_gets_worse(evidence: Evidence) -> Claim:
    rows = evidence.gradients[1]
    early, _ = pairs.early_and_late(rows)
    change = -pairs.gain_of_epoch(rows, early)
    _, not_simpler = pairs.pairs_by_complexity(change.index, evidence.complexity)
    mean = pairs.mean_over_pairs(change.loc[not_simpler])
    return Claim(
        "simple_id",
        "Where ID is simpler than OOD, longer training lowers the AUROC",
        "digest (of SVHN as ID, which we cannot train on)",
        f"pairs whose OOD images have longer PNG files: last epoch less epoch {early:g}",
        _of(mean, "change of the AUROC"),
        greater(_negative(mean)),
    )


def _kmnist_fails(evidence: Evidence) -> Claim:
    by_objective = {"log_prob": evidence.gradients[1], "sum_z": evidence.sum_z}
    rows = pd.concat(
        pairs.trained_rows(part).assign(objective=name) for name, part in by_objective.items()
    )
    rows = rows[(rows["id_dataset"] == "kmnist") | (rows["ood"] == "kmnist")]
    low, high = KMNIST_RANGE
    inside = rows["auroc"].between(low, high).groupby([rows[c] for c in (*pairs.PAIR, "objective")])
    always, mostly = (inside.mean() == 1).sum(), (inside.mean() > 0.5).sum()
    some = Judgement(Verdict.HOLDS, f" for {always} of {inside.ngroups} cases")
    return Claim(
        "kmnist",
        f"With KMNIST the AUROC stays between {low} and {high} at every stage",
        "digest (pairs, direction and objective unknown)",
        "KMNIST in both roles, both models and objectives, all trained epochs, single images",
        f"{rows['auroc'].min():.2f} to {rows['auroc'].max():.2f}; within at every epoch in "
        f"{always}, at more than half of the epochs in {mostly} of {inside.ngroups} cases (a case: "
        "pair, model and objective, all seeds together)",
        {0: Judgement(Verdict.FAILS), inside.ngroups: Judgement(Verdict.HOLDS)}.get(always, some),
    )


def _augmentation_does_not_rescue(evidence: Evidence) -> Claim:
    rows = evidence.augmentation
    poor = poor_pairs(evidence.gradients[1], POOR)
    number, judgement = "nothing published", Judgement(Verdict.UNTESTED)
    if len(rows):
        last = rows["epoch"] == rows.groupby(pairs.FLOW)["epoch"].transform("max")
        rows = rows[last & (rows["group_size"] == 1)]
        table = rows.pivot_table(index=pairs.PAIR, columns="variant", values="auroc", observed=True)
        table = table[table.index.isin(poor)]
        others = table.drop(columns="real images")
        change = others.sub(table["real images"], axis=0).mean()
        rescued = (others > RESCUED).any(axis=1).sum()
        number = (
            f"{len(table)} of {len(poor)} poor pairs run; mean change {change.min():+.3f} to "
            f"{change.max():+.3f} over {len(change)} variants; {rescued} reach {RESCUED} in any"
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


def _overlap_grows_and_hurts(evidence: Evidence) -> tuple[Claim, Claim]:
    with_epoch, with_auroc = (
        pairs.within_range(
            pairs.mean_over_pairs(overlap_correlation(evidence.overlap, column)), -1, 1
        )
        for column in ("epoch", "auroc")
    )
    return (
        Claim(
            "overlap_grows",
            "The support overlap of likelihoods grows with training",
            "digest",
            "rank correlation of overlap and epoch within each pair",
            _of(with_epoch, "correlation"),
            greater(with_epoch),
        ),
        Claim(
            "overlap_hurts",
            "… and goes with a worse likelihood detector",
            "digest",
            "rank correlation of overlap and AUROC over the epochs of each pair",
            _of(with_auroc, "correlation"),
            greater(_negative(with_auroc)),
        ),
    )


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
        "no run of that size" if last.empty else f"{last['bits_per_dim'].item():.3f}",
        Judgement(Verdict.UNTESTED if last.empty else Verdict.OPEN),
    )


def claims_table(claims: list[Claim]) -> pd.DataFrame:
    """The claims as a table for readers."""
    columns = ["claim", "source", "test", "number", "verdict"]
    rows = [(c.text, c.source, c.test, c.number, str(c.judgement)) for c in claims]
    return pd.DataFrame(rows, columns=columns).set_index("claim")


def _not_rescued(rescued: int, tried: pd.Index) -> Judgement:
    """One rescued pair refutes the claim, but a few that are not do not prove it."""
    id_sets = tried.get_level_values("id_dataset").nunique()
    if rescued:
        return Judgement(Verdict.FAILS, f" for {rescued} of {len(tried)} pairs")
    return Judgement(Verdict.HOLDS) if id_sets >= LEAST_ID_SETS else too_few(id_sets)


def _as_good_at_most(mean: pairs.Mean) -> Judgement:
    """A choice that saw the OOD images cannot prove that anything is better."""
    judgement = no_worse(mean)
    is_better = judgement == Judgement(Verdict.HOLDS, ": better")
    return Judgement(Verdict.HOLDS, ": as good") if is_better else judgement


def _negative(mean: pairs.Mean) -> pairs.Mean:
    return mean._replace(value=-mean.value, low=-mean.high, high=-mean.low)


def _of(mean: pairs.Mean, what: str) -> str:
    if not mean.pairs:
        return "no pair to compare"
    return f"{what} {mean} over {mean.pairs} pairs of {counted(mean.id_sets, 'ID set')}"
