"""Two gradients of the same images: of a flow's likelihood, and of a classifier's logit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from earlyglow.metrics import auroc, auroc_interval
from earlyglow_book.tables.texts import as_text
from earlyglow_book.titles import title_of

Values = NDArray[np.float64]
_LEAST_IMAGES = 4
KINDS = ("flow gradients", "GSC", "both")
_COLUMNS = [
    *("dataset", "images", "correlation", "correlation_low", "correlation_high"),
    *(f"{what} {kind}" for kind in KINDS for what in ("auroc", "low", "high")),
]


def bridge(flow: pd.DataFrame, classifier: pd.DataFrame, id_dataset: str) -> pd.DataFrame:
    """How far the two scores agree, and how well their sum detects.

    The images are those that both scored, in the same order. Each score is standardised with the
    median and the median deviation of one half of the ID images, the sum of the two is evaluated
    with the other half: no OOD image is used to combine them.

    Args:
        flow: scores of the flow's layer gradients; columns dataset, score.
        classifier: scores of Gradient Short-Circuit; columns dataset, score.
        id_dataset: the in-distribution set, which both hold.

    Returns:
        One row per set that both hold: images, Spearman's correlation within the set with its ends,
        and for OOD sets the AUROC of either score and of their sum with its ends.

    Raises:
        ValueError: too few images, or ID scores half of which are equal.
    """
    one, other = _by_set(flow), _by_set(classifier)
    pairs = {name: _same_images(name, one[name], other[name]) for name in other if name in one}
    half = pairs[id_dataset].shape[1] // 2
    centres, scales = _centres_and_scales(pairs[id_dataset][:, :half])
    pairs[id_dataset] = pairs[id_dataset][:, half:]
    standard = {name: (pair - centres) / scales for name, pair in pairs.items()}
    scored = {name: np.vstack((pair, pair.sum(0))) for name, pair in standard.items()}
    rows = []
    for name, pair in pairs.items():
        row = {"dataset": name, "images": pair.shape[1], **_spearman(*pair)}
        if name != id_dataset:
            row |= _aurocs(scored[id_dataset], scored[name])
        rows.append(row)
    return pd.DataFrame(rows, columns=_COLUMNS)


def bridge_table(both: pd.DataFrame) -> pd.DataFrame:
    """:func:`bridge` for readers: a row for each set, numbers with their intervals as text.

    Of the ID set there is a correlation and no AUROC.
    """
    columns = {"images": both["images"].map("{:,}".format)}
    ends = ["correlation", "correlation_low", "correlation_high"]
    columns["rank correlation"] = [as_text(*row) for row in both[ends].to_numpy()]
    for kind in KINDS:
        values = both[[f"{what} {kind}" for what in ("auroc", "low", "high")]].to_numpy()
        texts = [as_text(*row) if np.isfinite(row[0]) else "–" for row in values]
        columns[f"AUROC, {kind}"] = texts
    return pd.DataFrame(columns).set_axis(both["dataset"].map(title_of), axis=0)


def _by_set(scores: pd.DataFrame) -> dict[str, Values]:
    return {
        str(name): part["score"].to_numpy(np.float64)
        for name, part in scores.groupby("dataset", observed=True, sort=False)
    }


def _same_images(name: str, one: Values, other: Values) -> Values:
    """Scores (2, N) of the first images, which are the same in both orders."""
    count = min(len(one), len(other))
    if count < _LEAST_IMAGES:
        raise ValueError(
            f"{count} images of {name} were scored by both, but a correlation with its "
            f"interval needs at least {_LEAST_IMAGES}."
        )
    return np.stack((one[:count], other[:count]))


def _centres_and_scales(scores: Values) -> tuple[Values, Values]:
    """Of each row (2, 1), by medians: a few strange images must not decide on them."""
    deviations = stats.median_abs_deviation(scores, axis=1, scale="normal")
    if not deviations.all():
        raise ValueError(
            f"half of the {scores.shape[1]} ID scores are equal, so that they have no scale; look "
            "for a saturated score."
        )
    return np.median(scores, axis=1)[:, None], deviations[:, None]


def _aurocs(inside: Values, outside: Values) -> dict[str, float]:
    """Of scores (3, N) in the order of ``KINDS``."""
    columns: dict[str, float] = {}
    for kind, own, others in zip(KINDS, inside, outside, strict=True):
        low, high = auroc_interval(own, others)
        columns |= {f"auroc {kind}": auroc(own, others), f"low {kind}": low, f"high {kind}": high}
    return columns


def _spearman(first: Values, second: Values) -> dict[str, float]:
    """Rank correlation with its 95 % interval (Fisher's z with the variance of Fieller et al.)."""
    value = float(stats.spearmanr(first, second).statistic)
    reach = float(stats.norm.ppf(0.975)) * np.sqrt(1.06 / (len(first) - 3))
    low, high = (float(np.tanh(np.arctanh(value) + sign * reach)) for sign in (-1, 1))
    return {"correlation": value, "correlation_low": low, "correlation_high": high}
