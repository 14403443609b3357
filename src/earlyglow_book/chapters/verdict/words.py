"""Numbers of the chapter that judges every claim."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from scipy import stats

from earlyglow.experiments import claims, collected
from earlyglow.experiments.claim import Claim
from earlyglow.experiments.profiles import find_profile
from earlyglow.findings.texts import Texts, with_interval

_VERDICTS = {
    "stop": "A flow stopped early detects as well as a fully trained one, or better: single images",
    "stop_five": (
        "A flow stopped early detects as well as a fully trained one, or better: groups of five"
    ),
    "own": "… when each ID set may have its own best epoch: single images",
    "untrained": "… and no training at all: single images",
    "untrained_five": "… and no training at all: groups of five",
    "groups": "Groups of five beat single images throughout",
    "likelihood": "The gradient score beats the likelihood",
    "complexity": "… most of all for a complex ID set against a simple OOD set",
}


def seeds_and_images(single: pd.DataFrame) -> pd.DataFrame:
    """How far the AUROC of a pair moves from seed to seed, and from test images to test images.

    Args:
        single: AUROCs with their 95 % intervals over images.

    Returns:
        Root mean squares over the pairs that have several seeds, by epoch: columns "deviation
        over seeds" and "standard error over images". What images do is not part of the former,
        because all seeds score the same.
    """
    pair = [*collected.PAIR, "epoch"]
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


def verdict(judged: Sequence[Claim], single: pd.DataFrame, bits: pd.DataFrame) -> Texts:
    """The main numbers, each over all pairs, models and seeds.

    Args:
        judged: every claim.
        single: AUROCs of the gradient score of log p on single images.
        bits: bits per dimension of each flow's own held-out images.
    """
    by_text = {claim.text: claim.verdict for claim in judged}
    verdicts = {f"{name}_verdict": by_text[text] for name, text in _VERDICTS.items()}
    gains = _gains() | _gains_by_model() | _gains_over_typicality(single)
    full_size = collected.published_rows("epoch_sweep", "epochs", profile="full_size")
    gains |= {"full_size_sets": str(full_size["id_dataset"].nunique())}
    return verdicts | gains | _over_epochs(single) | _bits(bits, single) | _seeds(single)


def _gains() -> Texts:
    rows, fives = claims.gradient_rows(), claims.gradient_rows(5)
    stop = claims.stopping_early(rows)
    own = collected.mean_over_pairs(claims.gain_of_own_epoch(rows))
    lowest, highest = claims.spread_of_stopping_early(rows)
    simpler, elsewhere = (collected.mean_over_pairs(part) for part in claims.gain_by_complexity())
    return {
        "pairs": str(stop.pairs),
        "sets": str(stop.id_sets),
        "stop": str(stop),
        "stop_five": str(claims.stopping_early(fives)),
        "stop_lowest": f"{lowest:.3f}",
        "stop_highest": f"{highest:.3f}",
        "own": f"{own} ({own.pairs} pairs)",
        "first_epoch": str(collected.mean_over_pairs(claims.gain_of_epoch(rows, 1.0))),
        "untrained": str(collected.mean_over_pairs(claims.gain_of_epoch(rows, 0.0))),
        "untrained_five": str(collected.mean_over_pairs(claims.gain_of_epoch(fives, 0.0))),
        "five": str(collected.mean_over_pairs(claims.gain_of_groups())),
        "gain": str(collected.mean_over_pairs(claims.gain_over_likelihood())),
        "gain_simpler": f"{simpler} ({simpler.pairs} pairs)",
        "gain_elsewhere": f"{elsewhere} ({elsewhere.pairs} pairs)",
    }


def _gains_by_model() -> Texts:
    gain = claims.gain_over_likelihood()
    models = gain.index.get_level_values("model")
    return {
        f"gain_{model}": str(collected.mean_over_pairs(gain[models == model]))
        for model in ("glow", "dense_glow")
    }


def _gains_over_typicality(single: pd.DataFrame) -> Texts:
    typicality = claims.typicality_rows()
    return {
        f"typicality_{name}": str(collected.mean_over_pairs(claims.gain_over(typicality, epoch)))
        for name, epoch in zip(("early", "last"), collected.early_and_late(single), strict=True)
    }


def _over_epochs(single: pd.DataFrame) -> Texts:
    early, last = collected.early_and_late(single)
    means = collected.means_over_pairs(single, ["epoch"]).set_index("epoch")
    by_pair = single.groupby([*collected.PAIR, "epoch"])["auroc"].mean().unstack("epoch")
    by_set = by_pair.groupby(["id_dataset", "model"]).mean()
    return {
        "epoch_images": f"{find_profile('classroom').images_per_epoch:,}",
        "flows": str(len(single.groupby(["id_dataset", "model", "seed"]))),
        "early": f"{early:g}",
        "last": f"{last:g}",
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
    _, last = collected.early_and_late(single)
    return {
        "seed_deviation": f"{mean['deviation over seeds']:.3f}",
        "seed_deviation_last": f"{trained.loc[last, 'deviation over seeds']:.3f}",
        "image_error": f"{mean['standard error over images']:.3f}",
    }


def _bits(bits: pd.DataFrame, single: pd.DataFrame) -> Texts:
    early, last = collected.early_and_late(single)
    table = bits.pivot_table(
        index=collected.FLOW, columns="epoch", values="bits_per_dim", observed=True
    )
    setback = (table[last] - table.drop(columns=0.0).min(axis=1)).sort_values()
    return {
        "bits_early": f"{table[early].mean():.2f}",
        "bits_last": f"{table[last].mean():.2f}",
        "bits_gained": f"{(table[early] - table[last]).mean():.1f}",
        "setback": f"{setback.iloc[-1]:.1f}",
    }
