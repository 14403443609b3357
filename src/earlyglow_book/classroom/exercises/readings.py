"""Neighbours and covariances as readings of the norms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from earlyglow_book.classroom.checking import Case, Exercise

Array = NDArray[np.float64]


def _neighbour_cases() -> Sequence[Case]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(n, 3)) * [1, 5, 0.1], rng.normal(1, 1, (4, 3)) * [1, 5, 0.1], k)
        for n, k in ((12, 1), (30, 3), (30, 5))
    ]


def _distances(fit: Array, new: Array, count: int) -> Array:
    found: Array = NearestNeighbors(n_neighbors=count).fit(fit).kneighbors(new)[0]
    return found


def _both_standardised(fit: Array, new: Array) -> tuple[Array, Array]:
    mean, deviation = fit.mean(0), fit.std(0, ddof=1)
    return (fit - mean) / deviation, (new - mean) / deviation


def _neighbours(fit: Array, new: Array, count: int) -> Array:
    return _distances(*_both_standardised(fit, new), count).mean(1)


def _by_new(fit: Array, new: Array, count: int) -> Array:
    own = (new - new.mean(0)) / new.std(0, ddof=1)
    return _distances(_both_standardised(fit, new)[0], own, count).mean(1)


def _covariance_cases() -> Sequence[Case]:
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(4, 4))
    return [(rng.normal(size=(40, 4)) @ mix, rng.normal(1, 1, (m, 4)) @ mix) for m in (3, 8)]


def _mahalanobis(fit: Array, new: Array) -> Array:
    biased: Array = EmpiricalCovariance().fit(fit).mahalanobis(new)
    return biased * (len(fit) - 1) / len(fit)


EXERCISES = {
    "neighbour_score": Exercise(
        truth=_neighbours,
        cases=_neighbour_cases,
        mistakes={
            "the columns are not standardised, so that the one with the widest numbers decides "
            "alone.": lambda fit, new, count: _distances(fit, new, count).mean(1),
            "the new images are standardised by their own mean and deviation; what is usual is "
            "known from the fit images alone.": _by_new,
            "this is the distance to the k-th neighbour; the mean over the k nearest is asked "
            "for.": lambda fit, new, count: _distances(*_both_standardised(fit, new), count)[:, -1],
        },
    ),
    "covariance_score": Exercise(
        truth=_mahalanobis,
        cases=_covariance_cases,
        mistakes={
            "only the variances are used: that is the paper's reading. Use the inverse of the "
            "whole covariance.": lambda fit, new: (
                (new - fit.mean(0)) ** 2 / fit.var(0, ddof=1)
            ).sum(1),
            "this is the distance; the squared distance is asked for.": (
                lambda fit, new: np.sqrt(_mahalanobis(fit, new))
            ),
            "the covariance is not inverted: directions in which fit images scatter much are to "
            "count little.": lambda fit, new: np.einsum(
                "ni,ij,nj->n", new - fit.mean(0), np.cov(fit.T), new - fit.mean(0)
            ),
        },
    ),
}
