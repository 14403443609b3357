"""Other readings of the same log norms, which do not take the layers for independent.

The paper adds up one Gaussian for each layer, but the layers' log norms move together along a few
axes: each detector here treats that otherwise. All see log norms standardised by the fit groups'
mean and deviation, from which the tensors are left out that the paper's score leaves out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earlyglow.checks import require_whole
from earlyglow.detectors.log_norms import LogNormDetector
from earlyglow.gradients.layer_norms import Backend
from earlyglow.gradients.objectives import Objective


class LayerNeighbourDetector(LogNormDetector):
    """Mean Euclidean distance to the nearest fit groups.

    Args:
        model: a module with ``log_prob``, or with what the objective calls.
        group_size: images in a group.
        neighbours: how many fit groups the distance is averaged over.
        objective: "log_prob", "sum_z", or a callable.
        backend: as in :func:`earlyglow.layer_gradient_norms`.

    Raises:
        ValueError: when fitting, there are not more fit groups than neighbours, or as
            :class:`LayerGradientDetector`.

    Source: nearest neighbours as of MSMA (arXiv 2010.13132, on norms of scores at noise levels)
    and arXiv 2204.06507 (on a classifier's features), here on the norms of arXiv 2502.00820.
    """

    def __init__(
        self,
        model: nn.Module,
        group_size: int = 1,
        neighbours: int = 5,
        objective: str | Objective = "log_prob",
        backend: Backend = "auto",
    ) -> None:
        super().__init__(model, group_size, objective, backend)
        require_whole("neighbours", neighbours, 1)
        self.neighbours = neighbours

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        z = self.standardised(statistics)
        return self._mean_of_nearest(torch.cdist(z, self._points.to(z.device)))

    def fit_scores(self) -> Tensor:
        """Scores (G,) of the fit groups themselves, none of which is its own neighbour."""
        self._require_fitted()
        distances = torch.cdist(self._points, self._points)
        return self._mean_of_nearest(distances.fill_diagonal_(torch.inf))

    def _learn(self, statistics: Tensor) -> None:
        if len(statistics) <= self.neighbours:
            raise ValueError(
                f"the fit set holds {len(statistics)} groups, but {self.neighbours} neighbours "
                f"need more than {self.neighbours}; give more images or fewer neighbours."
            )
        self._points = self.standardised(statistics)

    def _mean_of_nearest(self, distances: Tensor) -> Tensor:
        return distances.topk(self.neighbours, dim=1, largest=False).values.mean(1)


class LayerCovarianceDetector(LogNormDetector):
    """Squared Mahalanobis distance under the fit groups' covariance.

    Args:
        model: a module with ``log_prob``, or with what the objective calls.
        group_size: images in a group.
        components: 0 for the whole covariance, shrunk by Ledoit and Wolf's formula; else the
            number of leading principal axes, each measured in its own deviation, that the distance
            is taken along.
        objective: "log_prob", "sum_z", or a callable.
        backend: as in :func:`earlyglow.layer_gradient_norms`.

    Raises:
        ValueError: when fitting, there are fewer axes than components, or as
            :class:`LayerGradientDetector`.

    Source: Ledoit and Wolf 2004 as in scikit-learn; arXiv 1807.03888 (Mahalanobis distances).
    """

    def __init__(
        self,
        model: nn.Module,
        group_size: int = 1,
        components: int = 0,
        objective: str | Objective = "log_prob",
        backend: Backend = "auto",
    ) -> None:
        super().__init__(model, group_size, objective, backend)
        require_whole("components", components, 0)
        self.components = components

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        z = self.standardised(statistics)
        return (z @ self._whitening.to(z.device)).square().sum(1)

    def _learn(self, statistics: Tensor) -> None:
        z = self.standardised(statistics)
        if self.components:
            axes, deviations = principal_axes(z, self.components)
            self._whitening = axes.T / deviations
        else:
            self._whitening = shrunk_whitening(z)


class LayerResidualDetector(LogNormDetector):
    """The paper's sum of squares after the leading principal axes of the fit groups are removed.

    Args:
        model: a module with ``log_prob``, or with what the objective calls.
        group_size: images in a group.
        axes: how many leading axes are removed; with 0 it ranks as :class:`LayerGradientDetector`.
        objective: "log_prob", "sum_z", or a callable.
        backend: as in :func:`earlyglow.layer_gradient_norms`.
        first: the first axis that is removed, counted from 1.

    Raises:
        ValueError: when fitting, there are fewer axes than are removed, or as
            :class:`LayerGradientDetector`.
    """

    def __init__(
        self,
        model: nn.Module,
        group_size: int = 1,
        axes: int = 5,
        objective: str | Objective = "log_prob",
        backend: Backend = "auto",
        first: int = 1,
    ) -> None:
        super().__init__(model, group_size, objective, backend)
        require_whole("axes", axes, 0)
        require_whole("first", first, 1)
        self.axes, self.first = axes, first

    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        z = self.standardised(statistics)
        removed = z @ self._removed.to(z.device).T
        return z.square().sum(1) - removed.square().sum(1)

    def _learn(self, statistics: Tensor) -> None:
        axes, _ = principal_axes(self.standardised(statistics), self.first - 1 + self.axes)
        # As it is loaded again: products of another layout round otherwise.
        self._removed = axes[self.first - 1 :].contiguous()


def principal_axes(z: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` leading axes (count, L) of centred rows (G, L), and the deviation along each.

    Raises:
        ValueError: the rows span fewer axes.
    """
    _, singular, axes = torch.linalg.svd(z, full_matrices=False)
    spanned = int((singular > singular[0] * 1e-10).sum())
    if count > spanned:
        raise ValueError(
            f"{count} principal axes are asked for, but {len(z)} fit groups of {z.shape[1]} norms "
            f"span {spanned}; give more images or ask for fewer axes."
        )
    return axes[:count], singular[:count] / (len(z) - 1) ** 0.5


def shrunk_whitening(z: Tensor) -> Tensor:
    """A matrix W (L, L) with ``‖z W‖²`` the squared Mahalanobis distance of centred z (G, L).

    The covariance is shrunk towards a multiple of the identity (Ledoit and Wolf 2004).

    Raises:
        ValueError: the covariance is singular all the same.
    """
    # scikit-learn takes a second to import, and only this detector needs it.
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(z.cpu().numpy(), assume_centered=True)
    try:
        lower = torch.linalg.cholesky(torch.from_numpy(covariance).to(z))
    except torch.linalg.LinAlgError:
        raise ValueError(
            f"the fit set holds {len(z)} groups, too few or too much alike for a covariance of "
            f"{z.shape[1]} numbers; give more images."
        ) from None
    identity = torch.eye(len(lower), dtype=z.dtype, device=z.device)
    return torch.linalg.solve_triangular(lower, identity, upper=False).T
