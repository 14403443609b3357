"""Numbers of the chapter that judges every claim."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from scipy import stats

from earlyglow_book.chapters.verdict.beside import gain_beside
from earlyglow_book.chapters.verdict.evidence import (
    Evidence,
    change_by_groups,
    gain_by_complexity,
    gain_over,
    gain_over_likelihood,
    gain_over_no_flow,
)
from earlyglow_book.chapters.verdict.short_trainings import change_band, length, own_epoch, steps
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import Claim
from earlyglow_book.tables.columns import FLOW, PAIR
from earlyglow_book.tables.texts import Texts, as_text, formatted, prefixed, with_interval

# Names of the quoted verdicts, by the claims' identifiers.
_QUOTED = {
    "stopped_early_single": "stop",
    "stopped_early_five": "stop_five",
    "own_epoch_single": "own",
    "first_epoch": "first_epoch",
    "no_flow": "no_flow",
    "beside_layer_gradients": "beside",
    "kmnist": "kmnist",
    "kmnist_part": "kmnist_part",
    "untrained_single": "untrained",
    "untrained_five": "untrained_five",
    "groups": "groups",
    "likelihood": "likelihood",
    "simple_ood": "complexity",
}


# Numbers of claims about longer trainings, which other pages quote by the claims' identifiers.
_NUMBERS = ("groups_long", "overlap_grows_long", "overlap_hurts_long")


def seeds_and_images(single: pd.DataFrame) -> pd.DataFrame:
    """How far the AUROC of a pair moves from seed to seed, and from test images to test images.

    From AUROCs with 95 % intervals over images come root mean squares over the pairs that have
    several seeds, by epoch: columns "deviation over seeds" and "standard error over images". What
    images do is not part of the former, because all seeds score the same.
    """
    pair = [*PAIR, "epoch"]
    several = single[single.groupby(pair)["auroc"].transform("count") > 1]
    variance = several.groupby(pair)["auroc"].var()
    # The intervals are symmetric on the logit scale only; half their width is close enough.
    error = (several["high"] - several["low"]) / (2 * stats.norm.ppf(0.975))
    table = pd.DataFrame(
        {
            "deviation over seeds": variance.groupby("epoch").mean(),
            "standard error over images": error.pow(2).groupby(several["epoch"]).mean(),
        }
    )
    return table.pow(0.5)


def words(judged: Sequence[Claim], evidence: Evidence, bits: pd.DataFrame) -> Texts:
    """The main numbers, each over all pairs, models and seeds.

    ``bits`` has the bits per dimension of each flow's held-out ID images.
    """
    single = evidence.gradients[1]
    judgements = {claim.id: str(claim.judgement) for claim in judged}
    numbers = {claim.id: claim.number for claim in judged if claim.id in _NUMBERS}
    return {
        **{f"{name}_verdict": judgements[claim_id] for claim_id, name in _QUOTED.items()},
        **numbers,
        **_gains(evidence),
        "beside": str(inference.mean_over_sets(gain_beside(evidence.beside, "layer_gradients"))),
        **_gains_by_model(evidence),
        **_gains_over_typicality(evidence),
        "full_size_sets": str(evidence.full_size["log_prob"]["id_dataset"].nunique()),
        **_over_epochs(single),
        **_bits(bits, single),
        **_seeds(single),
        "chaos": f"{evidence.chaos.groupby('model').last()['largest'].max():.3f}",
    }


def _gains(evidence: Evidence) -> Texts:
    rows, fives = evidence.gradients[1], evidence.gradients[5]
    early, last = pairs.early_and_late(rows)
    groups = change_by_groups(rows, fives).groupby(level=PAIR).mean()
    simpler, elsewhere = gain_by_complexity(evidence)
    gain = gain_over_likelihood(evidence)
    own = own_epoch(rows)
    over_sets = {
        "first_epoch": pairs.gain_of_epoch(rows, 1.0),
        "untrained": pairs.gain_of_epoch(rows, 0.0),
        "untrained_five": pairs.gain_of_epoch(fives, 0.0),
        "five": groups,
        "gain": gain,
        "no_flow_early": gain_over_no_flow(evidence, early),
        "no_flow": gain_over_no_flow(evidence, last),
    }
    by_pair = inference.mean_over_sets(gain)
    return {
        "pairs": str(by_pair.pairs),
        "model_pairs": str(len(gain)),
        "sets": str(by_pair.id_sets),
        **{name: str(inference.mean_over_sets(values)) for name, values in over_sets.items()},
        "control": f"{evidence.no_flow['auroc'].mean():.3f}",
        "own": str(own.gain),
        **formatted(".3f", permuted_low=own.null[0], permuted_high=own.null[1]),
        **formatted(".3f", placebo_low=own.placebo.min(), placebo_high=own.placebo.max()),
        "gain_simpler": pairs.mean_and_pairs(simpler),
        "gain_elsewhere": pairs.mean_and_pairs(elsewhere),
        **prefixed("stop", _band(rows)),
        **prefixed("stop_five", _band(fives)),
    }


def _band(rows: pd.DataFrame) -> Texts:
    """The best and the worst fixed epoch of a band."""
    band, texts = change_band(rows), {}
    for name, epoch in (("best", band["value"].idxmax()), ("worst", band["value"].idxmin())):
        texts[name] = as_text(*band.loc[epoch])
        texts[f"{name}_at"] = steps(float(epoch))
    return texts


def _gains_by_model(evidence: Evidence) -> Texts:
    gain = gain_over_likelihood(evidence)
    models = gain.index.get_level_values("model")
    return {
        f"gain_{model}": str(inference.mean_over_sets(gain[models == model]))
        for model in ("glow", "dense_glow")
    }


def _gains_over_typicality(evidence: Evidence) -> Texts:
    single, typicality = evidence.gradients[1], evidence.baselines["typicality"]
    return {
        f"typicality_{name}": str(inference.mean_over_sets(gain_over(single, typicality, epoch)))
        for name, epoch in zip(("early", "last"), pairs.early_and_late(single), strict=True)
    }


def _over_epochs(single: pd.DataFrame) -> Texts:
    early, last = pairs.early_and_late(single)
    means = pairs.means_over_pairs(single, ["epoch"]).set_index("epoch")
    by_pair = pairs.mean_over_seeds(single)
    by_set = by_pair.groupby(["id_dataset", "model"]).mean()
    return {
        "epoch_images": f"{length():,}",
        "flows": str(len(single.groupby(FLOW))),
        **formatted("g", early=early, last=last),
        "mean_untrained": with_interval(means.loc[0.0], "mean"),
        "mean_early": with_interval(means.loc[early], "mean"),
        "mean_last": with_interval(means.loc[last], "mean"),
        "later_better": str((by_set[last] > by_set[early]).sum()),
        "early_better": str((by_set[last] < by_set[early]).sum()),
        "flows_compared": str(len(by_set)),
        "pairs_up": str((by_pair[last] > by_pair[early]).sum()),
    }


def _seeds(single: pd.DataFrame) -> Texts:
    trained = seeds_and_images(single[single["epoch"] > 0])
    mean = trained.pow(2).mean().pow(0.5)
    _, last = pairs.early_and_late(single)
    return {
        "seed_deviation": f"{mean['deviation over seeds']:.3f}",
        "seed_deviation_last": f"{trained.loc[last, 'deviation over seeds']:.3f}",
        "image_error": f"{mean['standard error over images']:.3f}",
        "image_error_last": f"{trained.loc[last, 'standard error over images']:.3f}",
    }


def _bits(bits: pd.DataFrame, single: pd.DataFrame) -> Texts:
    early, last = pairs.early_and_late(single)
    table = bits.pivot_table(index=FLOW, columns="epoch", values="bits_per_dim", observed=True)
    setback = (table[last] - table.drop(columns=0.0).min(axis=1)).sort_values()
    return {
        **formatted(".2f", bits_early=table[early].mean(), bits_last=table[last].mean()),
        "bits_gained": f"{(table[early] - table[last]).mean():.1f}",
        "setback": f"{setback.iloc[-1]:.1f}",
    }
