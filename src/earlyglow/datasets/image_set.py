"""A named set of 8-bit images with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images and labels of one split of one data set.

    Attributes:
        images: uint8 (N, C, H, W), grey levels 0 to 255.
        labels: int64 (N,), -1 where unknown.
        name: the data set's name.
        split: "train" or "test".
    """

    images: Tensor
    labels: Tensor
    name: str
    split: str

    def __post_init__(self) -> None:
        for part, values in (("images", self.images), ("labels", self.labels)):
            if not isinstance(values, Tensor):
                raise TypeError(
                    f"the {part} of {self.name} are of type {type(values).__name__}, but an "
                    "ImageSet holds torch tensors; pass torch.from_numpy(array)."
                )
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise ValueError(
                f"the images of {self.name} are {self.images.dtype} of shape "
                f"{tuple(self.images.shape)}, but an ImageSet holds uint8 (N, C, H, W)."
            )
        if self.images.shape[1] not in (1, 3):
            last = self.images.shape[3]
            remedies = [
                "images.permute(0, 3, 1, 2) brings the channels of (N, H, W, C) to the front"
                if last in (1, 3, 4)
                else "",
                "[:, :3] leaves out an alpha channel" if 4 in (self.images.shape[1], last) else "",
            ]
            remedy = ", and ".join(filter(None, remedies)) or "leave the other channels out"
            raise ValueError(
                f"the images of {self.name} have shape {tuple(self.images.shape)}, but an ImageSet "
                f"holds (N, C, H, W) with 1 or 3 channels; {remedy}."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"the labels of {self.name} are {self.labels.dtype} of shape "
                f"{tuple(self.labels.shape)}, but {len(self.images)} images need int64 "
                f"({len(self.images)},)."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.image_shape))
        return f"ImageSet({self.name}, {self.split}: {len(self)} images of {shape})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def take(self, indices: Tensor) -> ImageSet:
        """The images at ``indices`` (int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def inverted(self) -> ImageSet:
        """Every grey level v as 255 - v.

        ``load_images("omniglot").inverted()`` has the released code's polarity, black strokes on
        white (arXiv 2502.00820's code does not invert Omniglot).
        """
        return replace(self, images=255 - self.images)

    def matched_to(self, image_shape: tuple[int, int, int]) -> ImageSet:
        """The same images in another shape, so that sets of unlike shapes can be compared.

        Colour becomes grey by the Rec. 601 luma, grey is repeated in three channels, and the size
        changes by antialiased bilinear interpolation.

        Args:
            image_shape: (C, H, W) with C = 1 or 3.
        """
        # torchvision takes seconds to import, and most runs never need it.
        from torchvision.transforms.v2 import functional as TF

        shape = tuple(image_shape) if isinstance(image_shape, Iterable) else ()
        whole = all(isinstance(s, Integral) and s >= 1 for s in shape)
        if len(shape) != 3 or not whole or shape[0] not in (1, 3):
            raise ValueError(
                f"image_shape is {image_shape!r}, but it must be (channels, height, width) with 1 "
                "or 3 channels."
            )
        channels, height, width = map(int, shape)
        images = self.images
        if images.shape[1] != channels:
            images = TF.rgb_to_grayscale(images, num_output_channels=channels)
        if tuple(images.shape[2:]) != (height, width):
            images = TF.resize(images, [height, width], antialias=True)
        return replace(self, images=images)

    def fingerprint(self) -> str:
        """SHA-256 of the pixels and their shape: equal for equal images, whatever their file."""
        return fingerprint(self.images)


def fingerprint(images: Tensor) -> str:
    """SHA-256 (hexadecimal) of uint8 images (N, C, H, W) and their shape."""
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    digest.update(images.contiguous().cpu().numpy())  # type: ignore[arg-type]
    return digest.hexdigest()
