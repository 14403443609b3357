"""Two densities in one dimension where a wrong density detects better than the true one.

ID is N(0, 1) and OOD is N(m, s²). A detector that thresholds a density N(μ, ·) scores x by
``(x - μ)²``, whatever the density's width: the larger, the more OOD.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
_GRID = 20_001
_REACH = 12.0


def auroc_of_density(assumed_mean: float, ood_mean: float, ood_deviation: float) -> float:
    """AUROC of ``(x - μ)²`` for ID N(0, 1) against OOD N(m, s²), in closed form.

    With x in-distribution and y OOD, ``(y - μ)² > (x - μ)²`` is ``(y - x)(y + x - 2μ) > 0``: two
    Gaussian variables of one sign, hence two orthant probabilities.

    Args:
        assumed_mean: μ, the mean of the density that is thresholded; 0 is the true ID density.
        ood_mean: m.
        ood_deviation: s, greater than 0.
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
    standard = np.linspace(-_REACH, _REACH, _GRID)
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
