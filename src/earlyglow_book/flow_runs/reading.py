"""One checkpoint read in every way: scores of all detectors, and what ID images alone tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

import earlyglow as eg
from earlyglow.detectors import StatisticsDetector, image_statistics, mean_of_groups
from earlyglow.detectors.joint_readings import principal_axes
from earlyglow.detectors.log_norms import LogNormDetector
from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint, Statistics, fitted_scores
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.tables import aurocs

PAPER, NEIGHBOURS, NO_FLOW = "layer_gradients", "neighbours", "no_flow"
# The axes that the placebo of the plan removes.
PLACEBO_FIRST = 21
_AXES = 5
_COMPONENTS = 20
_CURVE = (1, 2, 3, 4, 5, 7, 10, 15, 20)
_BINS = 100
# Of a histogram's range: the fit scores' middle and this many of their spreads on each side.
_REACH = 12.0
_PICTURED = 125

Scores = dict[str, dict[str, Tensor]]


def gradient_detectors(
    flow: eg.Flow, size: int, objective: str, axes: int
) -> Iterator[tuple[str, LogNormDetector]]:
    """The readings of the norms, by name, where the fit groups span so many axes."""
    yield PAPER, eg.LayerGradientDetector(flow, size, objective)
    yield NEIGHBOURS, eg.LayerNeighbourDetector(flow, size, objective=objective)
    yield "covariance", eg.LayerCovarianceDetector(flow, size, objective=objective)
    if axes >= _COMPONENTS:
        yield "components", eg.LayerCovarianceDetector(flow, size, _COMPONENTS, objective)
    if axes >= _AXES:
        yield "residual", eg.LayerResidualDetector(flow, size, _AXES, objective)
    if axes >= PLACEBO_FIRST + _AXES:
        yield (
            "placebo",
            eg.LayerResidualDetector(flow, size, _AXES, objective, first=PLACEBO_FIRST),
        )


def scores_of(
    checkpoint: MeasuredCheckpoint, sets: Sequence[str], size: int, objective: str
) -> tuple[Scores, tuple[str, ...]]:
    """Scores by detector and set, and the tensors that the readings of the norms leave out."""
    norms = {n: checkpoint.statistics[n].norms[objective, size].values for n in (FIT, *sets)}
    scores: Scores = {}
    dropped: tuple[str, ...] = ()
    axes = min(len(norms[FIT]) - 1, int((norms[FIT] > 0).all(0).sum()))
    for name, detector in gradient_detectors(checkpoint.flow, size, objective, axes):
        scores[name] = fitted_scores(detector, norms)
        dropped = detector.dropped
    return scores, dropped


def likelihood_scores(checkpoint: MeasuredCheckpoint, sets: Sequence[str], size: int) -> Scores:
    """Scores of likelihood and typicality."""
    detectors: dict[str, StatisticsDetector] = {
        "likelihood": eg.LikelihoodDetector(checkpoint.flow, size),
        "typicality": eg.TypicalityDetector(checkpoint.flow, size),
    }
    means = {n: mean_of_groups(checkpoint.statistics[n].log_prob, size) for n in (FIT, *sets)}
    return {name: fitted_scores(detector, means) for name, detector in detectors.items()}


def control_scores(pictures: Mapping[str, Tensor], size: int) -> Scores:
    """Scores of the control without a flow, from the statistics (N, 14) of each set's pictures."""
    grouped = {name: mean_of_groups(values, size) for name, values in pictures.items()}
    return {NO_FLOW: fitted_scores(eg.ImageStatisticsDetector(size), grouped)}


def picture_statistics(sets: Mapping[str, eg.ImageSet]) -> dict[str, Tensor]:
    """The control's statistics (N, 14) of every set; they are the same for all checkpoints."""
    return {
        name: image_statistics(eg.datasets.centre(images.images)) for name, images in sets.items()
    }


def auroc_rows(scores: Scores, objective: str, size: int, id_dataset: str) -> pd.DataFrame:
    """AUROCs with intervals of every detector on every set that is not the ID set."""
    rows = [
        aurocs.score_rows(dataset, values, detector, objective, size)
        for detector, by_set in scores.items()
        for dataset, values in by_set.items()
    ]
    table = aurocs.auroc_table(pd.concat(rows).assign(epoch=0.0), id_dataset)
    return table.drop(columns=["epoch", "aupr", "fpr95"])


def residual_curve(
    checkpoint: MeasuredCheckpoint, sets: Sequence[str], objective: str, id_dataset: str
) -> pd.DataFrame:
    """AUROC of single images by how many leading axes are removed: columns ood, axes, auroc."""
    detector = eg.LayerGradientDetector(checkpoint.flow, 1, objective)
    detector.fit_from_statistics(checkpoint.fit.norms[objective, 1].values)
    z = {
        name: detector.standardised(checkpoint.statistics[name].norms[objective, 1].values)
        for name in sets
    }
    fit = detector.standardised(checkpoint.fit.norms[objective, 1].values)
    spanned = min(fit.shape[1], len(fit) - 1)
    removed = [m for m in _CURVE if m < spanned]
    axes, _ = principal_axes(fit, removed[-1]) if removed else (fit[:0], fit[:0])
    rows = []
    for m in (0, *removed):
        left = {n: v.square().sum(1) - (v @ axes[:m].T).square().sum(1) for n, v in z.items()}
        rows += [
            {"ood": name, "axes": m, "auroc": eg.auroc(left[id_dataset], values)}
            for name, values in left.items()
            if name != id_dataset
        ]
    return pd.DataFrame(rows)


def histogram_rows(scores: Scores, objective: str, size: int, id_dataset: str) -> pd.DataFrame:
    """One row for each detector and set: where the bins lie, and how many scores each one holds.

    The outermost bins hold what lies beyond.
    """
    rows = []
    for detector, by_set in scores.items():
        middle = float(by_set[id_dataset].double().median())
        spread = float(torch.quantile((by_set[id_dataset].double() - middle).abs(), 0.75)) or 1.0
        low, high = middle - _REACH * spread, middle + _REACH * spread
        edges = np.linspace(low, high, _BINS + 1)
        for dataset, values in by_set.items():
            inside = values.double().clamp(low, high).numpy()
            counts = np.histogram(inside, edges)[0].astype(np.uint16).tobytes()
            rows.append(
                {
                    "detector": detector,
                    "dataset": dataset,
                    "low": low,
                    "high": high,
                    "counts": counts,
                }
            )
    return pd.DataFrame(rows).assign(objective=objective, group_size=size)


def id_only_rows(
    checkpoint: MeasuredCheckpoint,
    objective: str,
    training: str,
    evaluation: str,
    made: Mapping[str, Statistics],
) -> pd.DataFrame:
    """Statistics that see ID images alone, at group size 1: columns statistic, value.

    Args:
        checkpoint: the flow and what was measured under it.
        objective: what was differentiated.
        training: the name of a set of training images, which stand in for ID images.
        evaluation: the name of the held-out ID images.
        made: what was measured of OOD images that were made of training images.
    """
    fit = checkpoint.fit.norms[objective, 1].values
    train = checkpoint.statistics[training]
    detector = eg.LayerGradientDetector(checkpoint.flow, 1, objective).fit_from_statistics(fit)
    nearest = eg.LayerNeighbourDetector(checkpoint.flow, 1, objective=objective)
    nearest.fit_from_statistics(fit)
    z = detector.standardised(fit)
    z_train = detector.standardised(train.norms[objective, 1].values)
    eigenvalues = torch.linalg.svdvals(z).square()
    loss = -checkpoint.fit.log_prob.double()
    share = (loss - loss.min() + 1.0) / (loss - loss.min() + 1.0).sum()
    values = {
        "bits_fit": _bits(checkpoint, checkpoint.fit),
        "bits_train": _bits(checkpoint, train),
        "bits_eval": _bits(checkpoint, checkpoint.statistics[evaluation]),
        "sharpness": -float(detector.deviations().log().mean()),
        "participation_ratio": float(eigenvalues.sum() ** 2 / eigenvalues.square().sum()),
        "loss_entropy": float(-(share * share.log()).sum()),
        "spread_ratio": float((z_train.std(0)).log().mean()),
        "split_half_stability": _split_half(checkpoint, objective, train),
        "p_value_distance": float(
            stats.ks_2samp(
                nearest.fit_scores().numpy(),
                nearest.predict_from_statistics(train.norms[objective, 1].values).numpy(),
            ).statistic
        ),
    }
    for name, statistics in made.items():
        norms = statistics.norms[objective, 1].values
        if not norms.isfinite().all():
            continue
        for reading, read in (("paper", detector), ("neighbours", nearest)):
            inside = read.predict_from_statistics(train.norms[objective, 1].values)
            values[f"{name}_{reading}"] = eg.auroc(inside, read.predict_from_statistics(norms))
    return pd.DataFrame({"statistic": list(values), "value": list(values.values())})


def plane_rows(checkpoint: MeasuredCheckpoint, sets: Sequence[str], objective: str) -> pd.DataFrame:
    """A few images of each set on the two leading axes of the fit images, and how far off them."""
    detector = eg.LayerGradientDetector(checkpoint.flow, 1, objective)
    fit = checkpoint.fit.norms[objective, 1].values
    z = detector.fit_from_statistics(fit).standardised(fit)
    axes, _ = principal_axes(z, 2)
    parts = []
    for name in sets:
        norms = checkpoint.statistics[name].norms[objective, 1].values[:_PICTURED]
        values = detector.standardised(norms)
        along = values @ axes.T
        off = (values.square().sum(1) - along.square().sum(1)).clamp_min(0.0).sqrt()
        parts.append(
            pd.DataFrame(
                {"first": along[:, 0], "second": along[:, 1], "off": off}, dtype=np.float32
            ).assign(dataset=name)
        )
    return pd.concat(parts, ignore_index=True)


def bits_table(log_prob: Tensor, dims: int) -> pd.DataFrame:
    """Bits per dimension of each image from its log-density (N,), to compare flows in pairs."""
    bits = eg.bits_per_dim(log_prob.double(), dims)
    return pd.DataFrame({"item": np.arange(len(bits), dtype=np.int16), "bits": bits.float()})


def _bits(checkpoint: MeasuredCheckpoint, statistics: Statistics) -> float:
    return float(eg.bits_per_dim(statistics.log_prob.double(), checkpoint.flow.dims).mean())


def _split_half(checkpoint: MeasuredCheckpoint, objective: str, train: Statistics) -> float:
    """Rank correlation of the paper's scores as fitted on either half of the fit images."""
    fit = checkpoint.fit.norms[objective, 1].values
    both = []
    for part in (fit[: len(fit) // 2], fit[len(fit) // 2 :]):
        detector = eg.LayerGradientDetector(checkpoint.flow, 1, objective)
        detector.fit_from_statistics(part)
        both.append(detector.predict_from_statistics(train.norms[objective, 1].values).numpy())
    return float(stats.spearmanr(*both).statistic)
