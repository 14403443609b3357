"""What the classroom's short trainings say of stopping early: fixed epochs, and own ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.tables import inference, pairs
from earlyglow_book.tables.claims import MARGIN, Judgement, Verdict
from earlyglow_book.tables.columns import PAIR, SETS
from earlyglow_book.tables.hypotheses import d_prime

# A fall of d' by this much counts as a loss, as one of the AUROC by ``MARGIN`` does.
D_MARGIN = 0.1
_BATCH = {"glow": 64, "dense_glow": 128}
_PERMUTATIONS = 2000
_CHOOSER = ["model", "id_dataset", "seed"]


def change_band(rows: pd.DataFrame, in_d_prime: bool = False) -> pd.DataFrame:
    """Change of the AUROC from the last epoch back to each earlier one, with a band over all.

    No epoch is chosen: the band covers all of them at once (:func:`inference.simultaneous_band`).
    Models are averaged, so that a pair of sets counts once.

    Args:
        rows: AUROCs of one score.
        in_d_prime: whether AUROCs become d' first.

    Returns:
        One row for each trained epoch before the last: value, low, high.
    """
    table = pairs.mean_over_seeds(pairs.trained_rows(rows)).dropna(axis=1)
    if in_d_prime:
        table = d_prime(table)
    changes = table.sub(table.iloc[:, -1], axis=0).iloc[:, :-1]
    return inference.simultaneous_band(changes.groupby(level=SETS).mean())


def as_good(band: pd.DataFrame, margin: float = MARGIN) -> Judgement:
    """Holds where some fixed epoch's band lies above the margin, fails where none reaches it."""
    enough = band[band["low"] > -margin]
    if len(enough):
        better = " better" if (enough["low"] > 0).any() else " as good"
        return Judgement(Verdict.HOLDS, f":{better} from epoch {enough.index[0]:g}")
    none = bool((band["high"] < -margin).all())
    return Judgement(Verdict.FAILS if none else Verdict.OPEN)


def length() -> int:
    """Images in an epoch of the short trainings."""
    return find_profile("classroom").images_per_epoch or 0


def steps(epoch: float) -> str:
    """An epoch by its optimiser steps: "epoch 0.1 (8 steps; DenseGlow 4)"."""
    glow, dense = (round(epoch * length() / batch) for batch in _BATCH.values())
    return f"epoch {epoch:g} ({glow} steps; DenseGlow {dense})"


class OwnEpoch(NamedTuple):
    """Gain of an epoch of each flow's own, and what the same choice gains where it means nothing.

    Attributes:
        gain: over the last epoch, mean over pairs.
        null: ends of the middle 95 % of the gains with epochs permuted among flows.
        p: share of permutations that gain as much.
        placebo: gain over every other reference epoch, by epoch.
        chosen: how often each epoch was chosen.
    """

    gain: pairs.Mean
    null: tuple[float, float]
    p: float
    placebo: pd.Series
    chosen: pd.Series


def own_epoch(rows: pd.DataFrame) -> OwnEpoch:
    """The trained epoch that is best for a flow's OOD sets, chosen on one seed, judged on others.

    The choice sees the OOD images, which a user does not have. As the last epoch is one reference
    among others, the same choice is made against each of them (*placebo*). And whether flows have
    epochs of their own at all is asked by giving each flow the choice of another.

    The rows are AUROCs of one score, of two seeds or more.
    """
    table = pairs.trained_rows(rows).pivot_table(
        index=[*PAIR, "seed"], columns="epoch", values="auroc"
    )
    table = table.dropna(axis=1)
    judged, last = _judged_by_chooser(table), table.columns[-1]
    choices, gains = _choices(table, last), {}
    for chooser, epoch in choices.items():
        gains[chooser] = judged[chooser][epoch] - judged[chooser][last]
    of_pairs = pd.concat(gains.values())
    null = _permuted_gains(judged, choices, last, np.random.default_rng(0))
    placebo = {e: _mean_gain(judged, _choices(table, e), e) for e in table.columns}
    return OwnEpoch(
        gain=inference.mean_over_sets(of_pairs.groupby(PAIR).mean()),
        null=(float(np.quantile(null, 0.025)), float(np.quantile(null, 0.975))),
        p=float((1 + (null >= of_pairs.mean()).sum()) / (1 + len(null))),
        placebo=pd.Series(placebo),
        chosen=choices.value_counts().sort_index(),
    )


def _choices(table: pd.DataFrame, reference: float) -> pd.Series:
    """The best epoch other than the reference, by model, ID set and the seed that chooses."""
    means = table.drop(columns=reference).groupby(_CHOOSER).mean()
    return means.idxmax(axis=1)


def _judged_by_chooser(table: pd.DataFrame) -> dict[tuple[str, str, int], pd.DataFrame]:
    """AUROCs (pairs, epochs) of each flow, means over the seeds that do not choose."""
    found = {}
    for (model, name, seed), _ in table.groupby(_CHOOSER):
        levels = table.index.get_level_values
        others = (
            (levels("model") == model) & (levels("id_dataset") == name) & (levels("seed") != seed)
        )
        found[model, name, seed] = table[others].groupby(PAIR).mean()
    return found


def _mean_gain(
    judged: dict[tuple[str, str, int], pd.DataFrame], choices: pd.Series, reference: float
) -> float:
    gains = [judged[c][epoch] - judged[c][reference] for c, epoch in choices.items()]
    return float(pd.concat(gains).mean())


def _permuted_gains(
    judged: dict[tuple[str, str, int], pd.DataFrame],
    choices: pd.Series,
    reference: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Mean gains where each flow has the epoch of another flow of its model."""
    sums = {c: (t.sub(t[reference], axis=0)).sum() for c, t in judged.items()}
    matrix = pd.DataFrame(sums).T.loc[choices.index]
    columns = matrix.columns.get_indexer(choices)
    models = choices.index.get_level_values("model")
    shuffled = np.tile(columns, (_PERMUTATIONS, 1))
    # In a fixed order: that of a set of texts is another in each process.
    for model in sorted(set(models)):
        order = generator.random((_PERMUTATIONS, int((models == model).sum()))).argsort(axis=1)
        shuffled[:, models == model] = columns[models == model][order]
    gains = matrix.to_numpy()[np.arange(len(matrix)), shuffled].sum(axis=1)
    return gains / sum(map(len, judged.values()))
