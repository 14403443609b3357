"""What every detector on top of a likelihood model does: one score for each group of images."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Self, TypeVar

import torch
from pytorch_ood.api import Detector, RequiresFittingException
from torch import Tensor, nn

from earlyglow.checks import require_whole
from earlyglow.flows import Flow
from earlyglow.image_checks import require_finite, require_module, require_tensor

# A grey level beyond where a flow's images end.
_MOST = 0.505
Fitted = TypeVar("Fitted")
Images = Tensor | Iterable[Tensor | tuple[Tensor, Tensor]]


def fitted(value: Fitted | None) -> Fitted:
    """What fitting has set; RequiresFittingException where it has not."""
    if value is None:
        raise RequiresFittingException
    return value


class GroupDetector(Detector):
    """A detector that gives each group of images one score under a model."""

    def __init__(self, model: nn.Module, group_size: int = 1) -> None:
        require_whole("group_size", group_size, 1)
        require_module("the model", model)
        self.model = model
        self.group_size = group_size

    @abstractmethod
    def fit(self, data: Images) -> Self:
        """Fit on ID images: a tensor (N, C, H, W), or a loader of ``x`` or ``(x, y)``.

        Images whose label y is below 0 are OOD by pytorch-ood's convention, and left out.

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
            images = self._on_device(_id_images(batch))
            images = images if rest is None else torch.cat((rest, images))
            whole = len(images) // self.group_size * self.group_size
            if whole:
                found = True
                yield images[:whole]
            rest = images[whole:]
        if not found:
            raise ValueError(
                f"the fit set holds no complete group of {self.group_size} images with labels of 0 "
                "or more, if any; give more images or a smaller group_size."
            )

    def _on_device(self, x: Tensor) -> Tensor:
        require_tensor(x)
        require_finite(x)
        checked = isinstance(self.model, Flow) and x.is_floating_point() and len(x) > 0
        if checked and float(x.detach().abs().max()) > _MOST:
            warnings.warn(
                f"the images lie from {x.min().item():.3g} to {x.max().item():.3g}, but a flow's "
                "lie in [-0.5, 0.5); pass uint8 images through earlyglow.dequantize.",
                stacklevel=3,
            )
        return x.to(next(self.model.parameters()).device)


def _id_images(batch: object) -> Tensor:
    """The images of a loader's batch whose labels do not say OOD."""
    if isinstance(batch, Tensor):
        return batch
    if not isinstance(batch, tuple | list | Mapping):
        require_tensor(batch)
    pair = isinstance(batch, tuple | list) and len(batch) in (1, 2)
    if not pair or not all(isinstance(part, Tensor) for part in batch):  # type: ignore[attr-defined]
        raise TypeError(
            f"the loader gives {type(batch).__name__}, but a detector is fitted on tensors x "
            "(N, ...) or pairs (x, y) of images and labels; give those, such as batch['image']."
        )
    images, labels = batch[0], batch[-1]  # type: ignore[index]
    if labels is images:
        return images
    if labels.dim() == 0 or labels.shape[:1] != images.shape[:1] or labels[:1].numel() > 1:
        raise ValueError(
            f"the loader gives labels of shape {tuple(labels.shape)} for {len(images)} images, but "
            "one number for each is needed; give x alone where there are no such labels."
        )
    return images[labels.reshape(-1) >= 0]


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

    @staticmethod
    def _require_two_groups(statistics: Tensor) -> None:
        """Raise ValueError where no variance can be taken over the fit groups."""
        if len(statistics) < 2:
            raise ValueError(
                f"the fit set holds {len(statistics)} group, but a variance needs at least 2."
            )

    @abstractmethod
    def predict_from_statistics(self, statistics: Tensor) -> Tensor:
        """Score statistics that were computed before: (G,), higher = more OOD."""

    def _scores(self, x: Tensor) -> Tensor:
        return self.predict_from_statistics(self.statistics(x))
