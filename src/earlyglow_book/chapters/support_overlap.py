"""Overlap of ID and OOD scores against epoch and AUROC: the paper's mechanism, put to the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import pairs, published_rows, regret, stored, style
from earlyglow_book.deferred import np, pd, stats
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import FLOW, PAIR
from earlyglow_book.tables.texts import Texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint
    from earlyglow_book.tables.pairs import Mean

# What the released code takes, in bits per dimension.
RELEASED_BANDWIDTH = 0.5
_RESAMPLES = 200


@parameters
class SupportOverlap(FlowStudy):
    """Overlap coefficients of likelihoods and of gradient scores, at every epoch."""

    name: ClassVar[str] = "support_overlap"
    version: ClassVar[int] = 2

    def settings(self) -> dict[str, object]:
        return {"bandwidth": RELEASED_BANDWIDTH, "resamples": _RESAMPLES}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        rows = [row for checkpoint in checkpoints for row in self._rows(checkpoint)]
        return {"overlap": stored.compact(pd.DataFrame(rows))}

    def _rows(self, checkpoint: MeasuredCheckpoint) -> Iterator[dict[str, object]]:
        bits, gradients = _bits(checkpoint), _compressed_scores(checkpoint)
        for ood in self.ood_datasets:
            for detector, values in (("likelihood", bits), ("layer_gradients", gradients)):
                inside, outside = values[self.id_dataset], values[ood]
                low, high = eg.overlap_interval(
                    inside, outside, method="histogram", resamples=_RESAMPLES
                )
                yield {
                    "epoch": checkpoint.epoch,
                    "ood": ood,
                    "detector": detector,
                    "auroc": eg.auroc(inside, outside),
                    "kde": eg.overlap_coefficient(inside, outside),
                    "kde_released": eg.overlap_coefficient(
                        inside, outside, bandwidth=RELEASED_BANDWIDTH
                    ),
                    "histogram": eg.overlap_coefficient(inside, outside, method="histogram"),
                    "histogram_low": low,
                    "histogram_high": high,
                }


def _bits(checkpoint: MeasuredCheckpoint) -> dict[str, np.ndarray]:
    """Bits per dimension of each image."""
    return {
        name: eg.bits_per_dim(measured.log_prob.double(), checkpoint.flow.dims).cpu().numpy()
        for name, measured in checkpoint.statistics.items()
    }


def _compressed_scores(checkpoint: MeasuredCheckpoint) -> dict[str, np.ndarray]:
    """Gradient scores on a scale that is linear within the fit half and logarithmic far from it.

    The overlap of two densities does not depend on the scale, but its estimate does: scores far out
    would make a kernel density with one bandwidth flat where the two sets meet.
    """
    detector = checkpoint.gradient_detector()
    scores = {
        name: detector.predict_from_statistics(norms).cpu().numpy()
        for name, norms in checkpoint.norms().items()
    }
    quarter, middle, three_quarters = np.quantile(scores[FIT], [0.25, 0.5, 0.75])
    return {
        name: np.arcsinh((values - middle) / (three_quarters - quarter))
        for name, values in scores.items()
    }


def read_long_overlaps() -> pd.DataFrame:
    """:func:`overlaps_of_histograms` of the published long trainings."""
    rows = published_rows.read_published_rows("readings", "histograms", profile="long")
    return overlaps_of_histograms(rows) if len(rows) else rows


def overlaps_of_histograms(histograms: pd.DataFrame) -> pd.DataFrame:
    """Overlap and AUROC of the likelihoods of single images, from their stored histograms.

    Args:
        histograms: of flows' readings: ``FLOW``, epoch, detector, group_size, dataset, counts.

    Returns:
        A row for each flow, epoch and OOD set: ``FLOW``, epoch, ood, overlap, auroc.
    """
    chosen = (histograms["detector"] == "likelihood") & (histograms["group_size"] == 1)
    rows = []
    for keys, part in histograms[chosen].groupby([*FLOW, "epoch"]):
        counts = {row.dataset: regret.read_counts(row.counts) for row in part.itertuples()}
        own = counts.pop(keys[0])
        for ood, other in counts.items():
            shares = np.minimum(own / own.sum(), other / other.sum())
            rows.append([*keys, ood, shares.sum(), eg.metrics.auroc_of_counts(own, other)])
    return pd.DataFrame(rows, columns=[*FLOW, "epoch", "ood", "overlap", "auroc"])


_QUESTIONS = (("epoch", "epoch"), ("AUROC", "auroc"), ("|AUROC - ½|", "distance"))


def correlations_within(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Rank correlations of the overlap with three things over the epochs of each pair and seed."""
    return {
        f"{name}: overlap and {what}": pairs.correlation_within(
            rows[rows["detector"] == detector], column, "kde"
        )
        for name, detector in (("likelihood", "likelihood"), ("gradients", "layer_gradients"))
        for what, column in _QUESTIONS
    }


def correlations_across(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank correlations with the overlap over the pairs, at the last epoch."""
    _, last = pairs.early_and_late(rows)
    at_end = rows[rows["epoch"] == last].groupby(["detector", *PAIR])
    means = at_end[["kde", "auroc", "distance"]].mean()
    return pd.DataFrame(
        {
            name: part[["auroc", "distance"]].corrwith(part["kde"], method="spearman")
            for name, part in means.groupby(level=0)
        }
    )


def words(rows: pd.DataFrame, within: Mapping[str, Mean], across: pd.DataFrame) -> Texts:
    """The means of published overlaps at the trained epochs, and the correlations.

    Those within pairs are means over pairs of each of :func:`correlations_within`.
    """
    of_likelihood = rows[rows["detector"] == "likelihood"]
    return {
        "growth": str(within["likelihood: overlap and epoch"]),
        "against": str(within["likelihood: overlap and AUROC"]),
        "distance": str(within["likelihood: overlap and |AUROC - ½|"]),
        "gradients": str(within["gradients: overlap and AUROC"]),
        "gradients_growth": str(within["gradients: overlap and epoch"]),
        "across": f"{across['likelihood']['auroc']:.2f}",
        "across_distance": f"{across['likelihood']['distance']:.2f}",
        "pairs": str(within["likelihood: overlap and epoch"].pairs),
        "released": f"{of_likelihood['kde_released'].mean():.2f}",
        "ruled": f"{of_likelihood['kde'].mean():.2f}",
        "histogram": f"{of_likelihood['histogram'].mean():.2f}",
    }


# Two densities in one dimension where a wrong density detects better than the true one: ID is
# N(0, 1), OOD is N(m, s²), and a detector that thresholds a density N(μ, ·) scores x by (x - μ)².
_GRID = 20_001
_GRID_REACH = 12.0


def auroc_of_density(assumed_mean: float, ood_mean: float, ood_deviation: float) -> float:
    """AUROC of ``(x - μ)²`` for ID N(0, 1) against OOD N(m, s²), in closed form.

    The density that is thresholded has mean μ; 0 is the true ID density. With x in-distribution and
    y OOD, ``(y - μ)² > (x - μ)²`` is ``(y - x)(y + x - 2μ) > 0``: two Gaussian variables of one
    sign, hence two orthant probabilities.
    """
    _check(ood_deviation)
    means = np.array([ood_mean, ood_mean - 2 * assumed_mean])
    variance, covariance = 1 + ood_deviation**2, ood_deviation**2 - 1
    both = stats.multivariate_normal(
        cov=[[variance, covariance], [covariance, variance]], allow_singular=True
    )
    return float(both.cdf(means) + both.cdf(-means))


def auroc_of_likelihood_ratio(ood_mean: float, ood_deviation: float) -> float:
    """AUROC of the optimal test ``p_ood / p_id`` (Neyman and Pearson), by numerical integration."""
    _check(ood_deviation)
    standard = np.linspace(-_GRID_REACH, _GRID_REACH, _GRID)
    # Fine for the narrower density, wide enough for the other.
    x = np.union1d(standard, ood_mean + ood_deviation * standard)
    cell = np.gradient(x)
    p_id = stats.norm.pdf(x) * cell
    p_ood = stats.norm.pdf(x, ood_mean, ood_deviation) * cell
    score = stats.norm.logpdf(x, ood_mean, ood_deviation) - stats.norm.logpdf(x)
    order = np.argsort(score, kind="stable")
    id_mass, ood_mass = p_id[order] / p_id.sum(), p_ood[order] / p_ood.sum()
    below = np.cumsum(id_mass) - 0.5 * id_mass
    return float((below * ood_mass).sum())


def _check(deviation: float) -> None:
    if not deviation > 0:
        raise ValueError(f"ood_deviation is {deviation}, but it must be greater than 0.")


def correlation_figure(values: dict[str, pd.Series]) -> Figure:
    """Every pair's rank correlation as a dot, with the median as a line, one row each."""
    with style.style():
        figure, (axis,) = style.panels(1, height=0.9 + 0.42 * len(values))
        random = np.random.default_rng(0)
        for i, numbers in enumerate(values.values()):
            height = i + 0.22 * random.uniform(-1, 1, len(numbers))
            axis.plot(numbers, height, "o", ms=4, alpha=0.45, color=style.COLOURS[1])
            middle = float(numbers.median())
            axis.plot([middle, middle], [i - 0.34, i + 0.34], color="black", lw=2.2)
        axis.axvline(0, color="0.5", lw=1, ls=":")
        axis.set_yticks(range(len(values)), list(values))
        axis.invert_yaxis()
        axis.set_xlim(-1.05, 1.05)
        axis.set_xlabel("rank correlation over the epochs of one pair (bar: median)")
    return figure


def density_figure(ood_mean: float, ood_deviation: float, means: Sequence[float]) -> Figure:
    """The densities of ID and OOD, and of what a wrong model believes, in one dimension."""
    x = np.linspace(-5, 4, 600)
    with style.style():
        figure, (axis,) = style.panels(1, height=2.6)
        axis.fill_between(x, stats.norm.pdf(x), color="0.8", label="ID, N(0, 1)")
        density = stats.norm.pdf(x, ood_mean, ood_deviation)
        label = f"OOD, N({ood_mean:g}, {ood_deviation:g}²)"
        axis.plot(x, density, color=style.COLOURS[2], label=label)
        for mean, dash in zip(means, style.LINES[1:], strict=False):
            (line,) = axis.plot(x, stats.norm.pdf(x, mean), color=style.COLOURS[1], ls=dash)
            line.set_label(f"model, μ = {mean:g}")
        axis.set_xlabel("x")
        axis.set_ylabel("density")
        style.legend(figure, [axis])
    return figure
