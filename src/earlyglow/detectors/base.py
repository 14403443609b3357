"""What every detector on top of a likelihood model does: one score for each group of images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Self

import torch
from pytorch_ood.api import Detector
from torch import Tensor, nn

from earlyglow.checks import require_whole
from earlyglow.image_checks import require_finite, require_tensor

Images = Tensor | Iterable[Tensor | tuple[Tensor, Tensor]]


class GroupDetector(Detector):
    """A detector that gives each group of images one score under a model."""

    def __init__(self, model: nn.Module, group_size: int = 1) -> None:
        require_whole("group_size", group_size, 1)
        self.model = model
        self.group_size = group_size

    @abstractmethod
    def fit(self, data: Images) -> Self:
        """Fit on ID images: a tensor (N, C, H, W), or a loader of ``x`` or ``(x, y)``.

        Images are as the model takes them; a flow's are as :func:`earlyglow.dequantize` gives them.

        Raises:
            TypeError: the images are no tensors.
            ValueError: an image holds NaN or infinity, or there is no complete group.
        """

    def predict(self, x: Tensor) -> Tensor:
        """Score each group of images (N, C, H, W): (N // group_size,), higher = more OOD.

        Raises:
            RequiresFittingException: the detector needs fitting and was not fitted.
            TypeError: the images are no tensor.
            ValueError: an image holds NaN or infinity, or there is no complete group.
        """
        self._require_fitted()
        x = self._on_device(x)
        if len(x) < self.group_size:
            raise ValueError(
                f"there are {len(x)} images, but a group needs {self.group_size}; give more "
                "images or a smaller group_size."
            )
        return self._scores(x)

    @abstractmethod
    def _scores(self, x: Tensor) -> Tensor:
        """One score for each complete group of images on the model's device."""

    def _require_fitted(self) -> None:
        """Raise RequiresFittingException where fitting is needed and missing."""

    def _whole_groups(self, data: Images) -> Iterator[Tensor]:
        """Batches that hold whole groups only; images left over at the end are dropped.

        Raises:
            ValueError: there is no complete group at all.
        """
        if not isinstance(data, Iterable):
            require_tensor(data)
        rest: Tensor | None = None
        found = False
        for batch in [data] if isinstance(data, Tensor) else data:
            images = self._on_device(batch if isinstance(batch, Tensor) else batch[0])
            images = images if rest is None else torch.cat((rest, images))
            whole = len(images) // self.group_size * self.group_size
            if whole:
                found = True
                yield images[:whole]
            rest = images[whole:]
        if not found:
            raise ValueError(
                f"the fit set holds no complete group of {self.group_size} images; give more "
                "images or a smaller group_size."
            )

    def _on_device(self, x: Tensor) -> Tensor:
        require_tensor(x)
        require_finite(x)
        return x.to(next(self.model.parameters()).device)


class StatisticsDetector(GroupDetector):
    """A detector that needs to know no more of a group than statistics, which can be stored."""

    def fit(self, data: Images) -> Self:
        statistics = [self.statistics(x) for x in self._whole_groups(data)]
        return self.fit_from_statistics(torch.cat(statistics))

    @abstractmethod
    def statistics(self, x: Tensor) -> Tensor:
        """What the score is made of: one row for each group of images (N, C, H, W)."""

    @abstractmethod
    def fit_from_statistics(self, statistics: Tensor) -> Self:
        """Fit on statistics of in-distribution groups that were computed before."""

    @abstractmethod
    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        """Score statistics that were computed before: (G,), higher = more OOD."""

    def _scores(self, x: Tensor) -> Tensor:
        return self.predict_from_statistics(self.statistics(x))
