"""How well scores separate OOD from in-distribution (ID) samples, with intervals.

OOD is the positive class and a higher score means more OOD, everywhere. scikit-learn computes the
metrics; the DeLong variance is the only formula written here.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from earlyglow.checks import require_choice, require_part, require_share, require_whole
from earlyglow.progress import progress_bar

Scores = NDArray[np.float64]
# What NumPy would make numbers of without a word.
_KINDS = {"M": "dates", "m": "times", "c": "complex"}
IntervalMethod = Literal["delong", "bootstrap"]


class Interval(NamedTuple):
    """Ends of a confidence interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A number and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def auroc(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an OOD score exceeds an ID score, ties half.

    Args:
        id_scores: (N,) scores of in-distribution samples.
        ood_scores: (M,) scores of OOD samples.

    Returns:
        A number in [0, 1]; 0.5 is chance.

    Raises:
        ValueError: an argument is empty, not one-dimensional, or holds NaN or infinities.

    Examples:
        >>> auroc([0.1, 0.2], [0.3, 0.4])
        1.0
    """
    # Imported late, as below: many pages read stored areas and compute none.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_labelled(id_scores, ood_scores)))


def aupr(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under the precision-recall curve (average precision) with OOD as the positive class.

    Unlike the AUROC it depends on the share of OOD samples, its value at chance.

    Args:
        id_scores: (N,) scores of in-distribution samples.
        ood_scores: (M,) scores of OOD samples.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: a set is empty, not one-dimensional, or holds NaN or infinity.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_labelled(id_scores, ood_scores)))


def fpr_at_tpr(id_scores: ArrayLike, ood_scores: ArrayLike, tpr: float = 0.95) -> float:
    """Share of ID samples flagged at the highest threshold that flags ``tpr`` of the OOD samples.

    Args:
        id_scores: (N,) scores of in-distribution samples.
        ood_scores: (M,) scores of OOD samples.
        tpr: true-positive rate in (0, 1]; 0.95 gives the usual FPR95.

    Returns:
        A number in [0, 1]; lower is better.

    Raises:
        ValueError: ``tpr`` is out of range, or the scores are refused as by :func:`auroc`.
    """
    from sklearn.metrics import roc_curve

    require_part("tpr", tpr)
    labels, scores = _labelled(id_scores, ood_scores)
    false_rates, true_rates, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(false_rates[np.searchsorted(true_rates, tpr)])


def threshold(id_scores: ArrayLike, false_alarm_rate: float = 0.05) -> float:
    """The score above which a new ID sample lies with at most the given chance.

    The conformal quantile: of n ID scores the one number ``ceil((n + 1)(1 - rate))`` from below.
    The scores must be of samples that the detector was not fitted on.

    Args:
        id_scores: (N,) scores of in-distribution samples.
        false_alarm_rate: between 0 and 1.

    Raises:
        ValueError: the rate is out of range, there are too few scores for it, or they are refused
            as by :func:`auroc`.

    Source: split conformal prediction, Vovk et al. 2005.
    """
    require_share("false_alarm_rate", false_alarm_rate)
    scores = np.sort(_scores("id_scores", id_scores))
    place = math.ceil(round((len(scores) + 1) * (1 - false_alarm_rate), 9))
    if place > len(scores):
        raise ValueError(
            f"a rate of {false_alarm_rate} needs at least {math.ceil(1 / false_alarm_rate) - 1} ID "
            f"scores, but there are {len(scores)}; give more, or a larger rate."
        )
    return float(scores[place - 1])


def auroc_interval(
    id_scores: ArrayLike,
    ood_scores: ArrayLike,
    confidence: float = 0.95,
    method: IntervalMethod = "delong",
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Confidence interval of the AUROC over the draw of the ID and the OOD samples.

    "delong" uses the variance of DeLong et al. (1988) on the logit scale, so that the ends stay
    within [0, 1]. "bootstrap" takes percentiles over resamples drawn apart from each class
    (stratified). Where the classes are separated perfectly both would have no width; the exact
    binomial bound for min(N, M) independent pairs is used instead. It is wider than what either
    method gives for an area just below 1, where both are too narrow. Scores that are all equal
    tell of no sample from another: the interval is one half, without width.

    Args:
        id_scores: (N,) scores of in-distribution samples.
        ood_scores: (M,) scores of OOD samples.
        confidence: coverage in (0, 1).
        method: "delong" or "bootstrap".
        resamples: bootstrap resamples, at least 10.
        seed: of the bootstrap.

    Returns:
        Interval(low, high).

    Raises:
        ValueError: an argument is out of range, the scores are refused as by :func:`auroc`, or a
            class has fewer than 2.
    """
    require_choice("method", method, get_args(IntervalMethod))
    require_share("confidence", confidence)
    require_whole("resamples", resamples, 10)
    require_whole("seed", seed, 0)
    negative, positive = _scores("id_scores", id_scores), _scores("ood_scores", ood_scores)
    area = auroc(negative, positive)
    if area in (0.0, 1.0):
        return _perfect(area, min(len(negative), len(positive)), confidence)
    if method == "bootstrap":
        return _bootstrap(negative, positive, confidence, resamples, seed)
    deviation = math.sqrt(delong_variance(negative, positive)) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    reach = stats.norm.ppf((1 + confidence) / 2) * deviation
    return Interval(*(float(1 / (1 + math.exp(-(middle + s * reach)))) for s in (-1, 1)))


def delong_variance(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Variance of the AUROC (DeLong et al. 1988); at least two samples of each class are needed."""
    return float(sum(np.var(p, ddof=1) / len(p) for p in placements(id_scores, ood_scores)))


def placements(id_scores: ArrayLike, ood_scores: ArrayLike) -> tuple[Scores, Scores]:
    """What DeLong's variances are made of, by midranks (Sun and Xu 2014, algorithm 2).

    Args:
        id_scores: (N,) scores of in-distribution samples, N at least 2.
        ood_scores: (M,) scores of OOD samples, M at least 2.

    Returns:
        (M,) the share of ID scores below each OOD score, and (N,) the share of OOD scores above
        each ID score; ties count half. The mean of either is the AUROC.
    """
    negative, positive = _scores("id_scores", id_scores), _scores("ood_scores", ood_scores)
    if min(len(negative), len(positive)) < 2:
        raise ValueError(
            f"there are {len(negative)} ID and {len(positive)} OOD scores, but an interval needs "
            "at least 2 of each."
        )
    ranks = stats.rankdata(np.concatenate((positive, negative)))
    count = len(positive)
    above_negatives = (ranks[:count] - stats.rankdata(positive)) / len(negative)
    below_positives = 1 - (ranks[count:] - stats.rankdata(negative)) / len(positive)
    return above_negatives, below_positives


def _bootstrap(
    negative: Scores, positive: Scores, confidence: float, resamples: int, seed: int
) -> Interval:
    rng, areas = np.random.default_rng(seed), []
    # Sorted once: a resample is then how often each value was drawn.
    values, places = np.unique(np.concatenate((negative, positive)), return_inverse=True)
    own, ood = places[: len(negative)], places[len(negative) :]
    with progress_bar(resamples, "AUROC", "resample") as progress:
        for _ in range(resamples):
            counts = [
                np.bincount(rng.choice(part, len(part)), minlength=len(values))
                for part in (own, ood)
            ]
            areas.append(auroc_of_counts(*counts))
            progress.update()
    low, high = np.quantile(areas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def auroc_of_counts(id_counts: NDArray[np.int64], ood_counts: NDArray[np.int64]) -> float:
    """AUROC of scores of which only the bins are known; those of one bin are ties.

    Args:
        id_counts: ID scores in each bin (B,), from low scores to high.
        ood_counts: OOD scores in the same bins.
    """
    below = np.cumsum(id_counts) - 0.5 * id_counts
    return float(ood_counts @ below / (id_counts.sum() * ood_counts.sum()))


def perfect_shortfall(pairs: int, confidence: float) -> float:
    """How far below 1 the AUROC may be where a sample separates perfectly.

    The exact binomial (Clopper-Pearson) bound for ``pairs`` independent pairs that all agree.
    """
    return 1 - ((1 - confidence) / 2) ** (1 / pairs)


def _perfect(area: float, pairs: int, confidence: float) -> Interval:
    shortfall = perfect_shortfall(pairs, confidence)
    return Interval(1 - shortfall, 1.0) if area == 1.0 else Interval(0.0, shortfall)


def _labelled(id_scores: ArrayLike, ood_scores: ArrayLike) -> tuple[Scores, Scores]:
    negative, positive = _scores("id_scores", id_scores), _scores("ood_scores", ood_scores)
    labels = np.concatenate((np.zeros(len(negative)), np.ones(len(positive))))
    return labels, np.concatenate((negative, positive))


def to_float64(values: ArrayLike) -> NDArray[np.float64]:
    """An array of anything like one, and of a tensor on any device and with any history.

    Raises:
        TypeError: there is something else in it than real numbers.
    """
    # Asked of the value: importing torch would take longer than the metric.
    given: Any = values
    try:
        if hasattr(given, "detach"):
            given = given.detach().cpu()
            given = given.numpy() if given.is_complex() else given.double().numpy()
        if np.ma.is_masked(given):
            raise TypeError("some are masked; leave them out by .compressed()")
        array = np.asarray(given)
        if array.dtype.kind not in "biufO" or any(
            isinstance(item, str | bytes) for item in array.flat if array.dtype.kind == "O"
        ):
            raise TypeError(f"they are {_KINDS.get(array.dtype.kind, 'texts')}")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        shown = " ".join(repr(values).split())
        raise TypeError(
            f"{shown:.60} holds something else than real numbers ({error}); give an array or a "
            "list of floats."
        ) from error


def _scores(name: str, values: ArrayLike) -> Scores:
    scores = to_float64(values)
    if scores.ndim != 1:
        raise ValueError(f"{name} has shape {scores.shape}, but it must be one-dimensional.")
    if not len(scores):
        raise ValueError(f"{name} is empty, but at least one score of each class is needed.")
    if not np.isfinite(scores).all():
        bad = np.count_nonzero(~np.isfinite(scores))
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite, but scores must be finite; look "
            "for a diverged model."
        )
    return scores
