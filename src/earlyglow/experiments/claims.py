"""Every claim of the first paper that the published results can judge, by a rule set before."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from earlyglow.experiments.collected import (
    PAIR,
    Mean,
    as_text,
    correlation_within,
    early_and_late,
    mean_over_pairs,
    published_rows,
)

# An AUROC this much lower still counts as equal.
MARGIN = 0.02
_KMNIST_RANGE = (0.47, 0.66)
_PER_PAIR_AND_EPOCH = [*PAIR, "epoch"]


@dataclass(frozen=True)
class Claim:
    """A claim, what was done about it, and what came out.

    Attributes:
        text: the claim in our words.
        source: where it is known from: "digest" of the paper, or its public "code".
        test: what was run.
        number: our number with its interval, and what it is of.
        verdict: by the rule of the claim.
    """

    text: str
    source: str
    test: str
    number: str
    verdict: str


def gradient_rows(group_size: int = 1, objective: str = "log_prob") -> pd.DataFrame:
    """Published AUROCs of the gradient score at every epoch, all pairs, models and seeds."""
    rows = published_rows("epoch_sweep", "aurocs")
    return rows[
        (rows["detector"] == "layer_gradients")
        & (rows["objective"] == objective)
        & (rows["group_size"] == group_size)
    ]


def likelihood_rows(group_size: int = 1) -> pd.DataFrame:
    """The same of the likelihood."""
    rows = published_rows("epoch_sweep", "aurocs")
    return rows[(rows["detector"] == "likelihood") & (rows["group_size"] == group_size)]


def gain_of_stopping_early(rows: pd.DataFrame) -> pd.Series:
    """AUROC at an early epoch less AUROC at the last, for each pair.

    The early epoch is the best trained one before the last, chosen for each pair on the *other* OOD
    sets of the same flow, so that no pair takes part in its own choice.
    """
    table = _by_pair_and_epoch(rows)
    _, last = early_and_late(rows)
    gains = {}
    for (own, model), flow in table.groupby(level=["id_dataset", "model"]):
        early = flow.drop(columns=last)
        for ood in flow.index.unique("ood"):
            others = early.drop(index=ood, level="ood")
            chosen = others.mean().idxmax() if len(others) else early.columns[0]
            row = flow.loc[(own, ood, model)]
            gains[own, ood, model] = row[chosen] - row[last]
    return _as_pairs(gains)


def gain_of_epoch(rows: pd.DataFrame, epoch: float) -> pd.Series:
    """AUROC at one epoch less AUROC at the last, for each pair."""
    table = _by_pair_and_epoch(rows)
    _, last = early_and_late(rows)
    return table[epoch] - table[last]


def gain_of_groups() -> pd.Series:
    """AUROC of groups of five less AUROC of single images, mean over trained epochs, by pair."""
    change = _change_by_groups()
    return change.groupby(level=PAIR).mean()


def gain_by_likelihood() -> tuple[pd.Series, pd.Series]:
    """Gain of the gradient score over the likelihood at the last epoch, by pair.

    Returns:
        The pairs whose likelihood is on the wrong side of 0.5, and the others.
    """
    table = _gain_over_likelihood()
    fails = table["likelihood"] < 0.5
    return table.loc[fails, "gain"], table.loc[~fails, "gain"]


def all_claims() -> list[Claim]:
    """Every claim, judged."""
    return [
        _immature_is_enough(),
        _first_epoch_is_enough(),
        _groups_help(),
        _gradients_beat_likelihood(),
        _most_where_likelihood_fails(),
        _simple_id_gets_worse(),
        _kmnist_fails(),
        _augmentation_does_not_rescue(),
        _overlap_grows(),
        _overlap_hurts(),
        _wrong_density(),
        _bits_per_dim(),
    ]


def _immature_is_enough() -> Claim:
    mean = mean_over_pairs(gain_of_stopping_early(gradient_rows()))
    return Claim(
        "A flow stopped early detects as well as a fully trained one, or better",
        "digest",
        "best early epoch, chosen on the other OOD sets, less last epoch; single images",
        _of(mean, "change of the AUROC"),
        _not_worse(mean),
    )


def _first_epoch_is_enough() -> Claim:
    mean = mean_over_pairs(gain_of_epoch(gradient_rows(), 1.0))
    return Claim(
        "One epoch is enough",
        "code (its tables have epochs 1 and 10)",
        "epoch 1 less last epoch; single images",
        _of(mean, "change of the AUROC"),
        _not_worse(mean),
    )


def _groups_help() -> Claim:
    change = _change_by_groups()
    mean = mean_over_pairs(gain_of_groups())
    share = (change >= 0).mean()
    verdict = "holds" if share == 1 else ("holds on average" if mean.low > 0 else "does not hold")
    return Claim(
        "Groups of five beat single images throughout",
        "digest",
        "all trained epochs and seeds",
        f"{_of(mean, 'change of the AUROC')}; no worse in {share:.1%} of all cases",
        verdict if share == 1 else f"{verdict}, not throughout",
    )


def _gradients_beat_likelihood() -> Claim:
    mean = mean_over_pairs(_gain_over_likelihood()["gain"])
    return Claim(
        "The gradient score beats the likelihood",
        "digest",
        "last epoch, single images",
        _of(mean, "gain of the AUROC"),
        _greater(mean),
    )


def _most_where_likelihood_fails() -> Claim:
    failing, other = (mean_over_pairs(gain) for gain in gain_by_likelihood())
    return Claim(
        "… most of all for a complex ID set against a simple OOD set",
        "digest",
        "gain where the likelihood's AUROC is below 0.5, and elsewhere",
        f"{_of(failing, 'gain')}; elsewhere {_of(other, 'gain')}",
        "holds" if failing.low > other.high else "not decided",
    )


def _simple_id_gets_worse() -> Claim:
    table = _gain_over_likelihood()
    simple = table.index[table["likelihood"] >= 0.5]
    rows = gradient_rows()
    early, _ = early_and_late(rows)
    change = -gain_of_epoch(rows, early)
    mean = mean_over_pairs(change[change.index.isin(simple)])
    return Claim(
        "Where ID is simpler than OOD, longer training lowers the AUROC",
        "digest (SVHN as ID, which we cannot train on)",
        f"pairs whose likelihood is on the right side of 0.5: last epoch less epoch {early:g}",
        _of(mean, "change of the AUROC"),
        _greater(Mean(-mean.value, -mean.high, -mean.low, mean.pairs)),
    )


def _kmnist_fails() -> Claim:
    rows = _trained(gradient_rows())
    values = rows.loc[(rows["id_dataset"] == "kmnist") | (rows["ood"] == "kmnist"), "auroc"]
    low, high = _KMNIST_RANGE
    share = values.between(low, high).mean()
    return Claim(
        "With KMNIST the AUROC stays between 0.47 and 0.66 at every stage",
        "digest (pairs and direction unknown)",
        "KMNIST in both roles, both models, all trained epochs, single images",
        f"{values.min():.2f} to {values.max():.2f}; {share:.0%} of {len(values)} within",
        "holds" if share == 1 else f"does not hold: {share:.0%} within",
    )


def _augmentation_does_not_rescue() -> Claim:
    rows = published_rows("synthetic_augmentation", "aurocs")
    rows = rows[(rows["group_size"] == 1) & (rows["epoch"] == rows["epoch"].max())]
    table = rows.pivot_table(index=PAIR, columns="variant", values="auroc", observed=True)
    poor = table[table["real images"] < 0.6]
    change = poor.drop(columns="real images").sub(poor["real images"], axis=0)
    best = change.mean().idxmax() if len(change) else ""
    mean = mean_over_pairs(change[best]) if best else Mean(0.0, 0.0, 0.0, 0)
    rescued = (poor.drop(columns="real images") > 0.8).any(axis=1).sum()
    return Claim(
        "Synthetic augmentation does not rescue poor pairs",
        "digest",
        f"nine training sets, pairs below 0.6 with real images; the best variant is “{best}”",
        f"change {mean.value:+.3f} in {mean.pairs} pairs; {rescued} reach 0.8 in any variant",
        "holds" if rescued == 0 else f"does not hold for {rescued} of {mean.pairs} pairs",
    )


def _overlap_grows() -> Claim:
    mean = mean_over_pairs(_overlap_correlation("epoch"))
    return Claim(
        "The support overlap of likelihoods grows with training",
        "digest",
        "rank correlation of overlap and epoch within each pair",
        _of(mean, "correlation"),
        _greater(mean),
    )


def _overlap_hurts() -> Claim:
    mean = mean_over_pairs(_overlap_correlation("auroc"))
    return Claim(
        "… and goes with a worse likelihood detector",
        "digest",
        "rank correlation of overlap and AUROC within each pair",
        _of(mean, "correlation"),
        _greater(Mean(-mean.value, -mean.high, -mean.low, mean.pairs)),
    )


def _wrong_density() -> Claim:
    return Claim(
        "A mis-estimated density can order samples better than the true one",
        "digest (Neyman and Pearson)",
        "closed form in one dimension",
        "see the chapter on support overlap",
        "holds, as an existence proof about likelihoods",
    )


def _bits_per_dim() -> Claim:
    rows = published_rows("epoch_sweep", "epochs", profile="paper")
    return Claim(
        "Bits per dimension of the fully trained Glow (3.44 on CIFAR-10)",
        "code",
        "the paper's sizes on a GPU",
        "no GPU could be had" if rows.empty else f"{rows['bits_per_dim'].min():.2f}",
        "not tested" if rows.empty else "see the page",
    )


def _change_by_groups() -> pd.Series:
    keys = [*PAIR, "seed", "epoch"]
    single, five = (
        _trained(gradient_rows(size)).set_index(keys)["auroc"].sort_index() for size in (1, 5)
    )
    return five - single


def _gain_over_likelihood() -> pd.DataFrame:
    gradients, likelihood = gradient_rows(), likelihood_rows()
    _, last = early_and_late(gradients)
    late = {
        name: rows[rows["epoch"] == last].groupby(PAIR)["auroc"].mean()
        for name, rows in (("gradients", gradients), ("likelihood", likelihood))
    }
    table = pd.DataFrame(late)
    return table.assign(gain=table["gradients"] - table["likelihood"])


def _overlap_correlation(column: str) -> pd.Series:
    rows = _trained(published_rows("support_overlap", "overlap"))
    found = correlation_within(rows[rows["detector"] == "likelihood"], column, "kde")
    return found.groupby(level=PAIR).mean()


def _by_pair_and_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: one row per pair, one column per trained epoch."""
    return _trained(rows).groupby(_PER_PAIR_AND_EPOCH)["auroc"].mean().unstack("epoch")


def _trained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["epoch"] > 0]


def _as_pairs(values: dict[tuple[str, str, str], float]) -> pd.Series:
    series = pd.Series(values)
    series.index.names = PAIR
    return series


def _of(mean: Mean, what: str) -> str:
    return f"{what} {as_text(mean.value, mean.low, mean.high)} over {mean.pairs} pairs"


def _not_worse(mean: Mean) -> str:
    if mean.low > 0:
        return "holds: better"
    if mean.low > -MARGIN:
        return "holds: as good"
    return "does not hold" if mean.high < -MARGIN else "not decided"


def _greater(mean: Mean) -> str:
    if mean.low > 0:
        return "holds"
    return "does not hold" if mean.high < 0 else "not decided"
