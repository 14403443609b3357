"""Two gradients of the same images: of a flow's likelihood, and of a classifier's logit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from earlyglow.metrics import auroc, auroc_interval

Values = NDArray[np.float64]
_LEAST_IMAGES = 4
FLOW, CLASSIFIER, TOGETHER = "flow gradients", "GSC", "both"
_COLUMNS = [
    *("dataset", "images", "correlation", "correlation_low", "correlation_high"),
    *(f"{w} {kind}" for kind in (FLOW, CLASSIFIER, TOGETHER) for w in ("auroc", "low", "high")),
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

    Raises:
        ValueError: too few images, or ID scores half of which are equal.

    Returns:
        One row per set that both hold: dataset, images, correlation (Spearman's, within the set)
        with its ends correlation_low and correlation_high, and, for OOD sets, auroc, low and high
        for each of "flow gradients", "GSC" and "both", in columns such as "auroc both".
    """
    one, other = _by_set(flow), _by_set(classifier)
    shared = [name for name in other if name in one]
    pairs = {name: _same_images(one[name], other[name]) for name in shared}
    for name, (scores, _) in pairs.items():
        if len(scores) < _LEAST_IMAGES:
            raise ValueError(
                f"{len(scores)} images of {name} were scored by both, but a correlation with its "
                f"interval needs at least {_LEAST_IMAGES}."
            )
    half = len(pairs[id_dataset][0]) // 2
    fitted = [_median_and_deviation(scores[:half]) for scores in pairs[id_dataset]]
    pairs[id_dataset] = tuple(scores[half:] for scores in pairs[id_dataset])  # type: ignore[assignment]
    standard = {name: _with_sum(pair, fitted) for name, pair in pairs.items()}
    rows = []
    for name, (first, second) in pairs.items():
        row = {"dataset": name, "images": len(first), **_spearman(first, second)}
        if name != id_dataset:
            row |= _aurocs(standard[id_dataset], standard[name])
        rows.append(row)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _by_set(scores: pd.DataFrame) -> dict[str, Values]:
    return {
        str(name): part["score"].to_numpy(np.float64)
        for name, part in scores.groupby("dataset", observed=True, sort=False)
    }


def _same_images(one: Values, other: Values) -> tuple[Values, Values]:
    """Both orders begin with the same images, so the first ones are shared."""
    count = min(len(one), len(other))
    return one[:count], other[:count]


def _with_sum(pair: tuple[Values, Values], fitted: list[tuple[float, float]]) -> dict[str, Values]:
    first, second = (
        (scores - mean) / deviation for scores, (mean, deviation) in zip(pair, fitted, strict=True)
    )
    return {FLOW: first, CLASSIFIER: second, TOGETHER: first + second}


def _aurocs(inside: dict[str, Values], outside: dict[str, Values]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for kind, scores in inside.items():
        low, high = auroc_interval(scores, outside[kind])
        area = auroc(scores, outside[kind])
        columns |= {f"auroc {kind}": area, f"low {kind}": low, f"high {kind}": high}
    return columns


def _median_and_deviation(scores: Values) -> tuple[float, float]:
    """A few strange images must not decide on the scale of a score."""
    deviation = float(stats.median_abs_deviation(scores, scale="normal"))
    if not deviation:
        raise ValueError(
            f"half of the {len(scores)} ID scores are equal, so that they have no scale; look for "
            "a saturated score."
        )
    return float(np.median(scores)), deviation


def _spearman(first: Values, second: Values) -> dict[str, float]:
    """Rank correlation with its 95 % interval (Fisher's z with the variance of Fieller et al.)."""
    value = float(stats.spearmanr(first, second).statistic)
    reach = float(stats.norm.ppf(0.975)) * np.sqrt(1.06 / (len(first) - 3))
    low, high = (float(np.tanh(np.arctanh(value) + sign * reach)) for sign in (-1, 1))
    return {"correlation": value, "correlation_low": low, "correlation_high": high}
