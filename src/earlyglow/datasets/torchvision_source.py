"""Sets that torchvision downloads and parses, brought to one shape each.

torchvision takes seconds to import, so each route imports it when it is taken.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

Source = Callable[[Path, str, bool], tuple[Tensor, Tensor]]

# Left, upper, right, lower: the crop of the released code (arXiv 2502.00820).
CELEBA_BOX = (15, 40, 163, 188)
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def mnist(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets as tv

    return _grey(tv.MNIST(root, train=split == "train", download=download))


def fashion_mnist(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets as tv

    if not DEBIAN_FASHION_MNIST.is_dir():
        return _grey(tv.FashionMNIST(root, train=split == "train", download=download))
    # torchvision unpacks the four archives in place, and the package's folder is read-only.
    with tempfile.TemporaryDirectory() as unpacked:
        raw = Path(unpacked, "FashionMNIST", "raw")
        shutil.copytree(DEBIAN_FASHION_MNIST, raw)
        return _grey(tv.FashionMNIST(unpacked, train=split == "train", download=True))


def kmnist(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets as tv

    return _grey(tv.KMNIST(root, train=split == "train", download=download))


def omniglot(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    """Background images for training, evaluation images for testing; white on black."""
    from torchvision import datasets as tv

    images, labels = _pictures(
        tv.Omniglot(root, background=split == "train", download=download),
        lambda picture: picture.convert("L").resize((28, 28), Image.Resampling.BILINEAR),
    )
    return 255 - images, labels


def cifar10(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets as tv

    data = tv.CIFAR10(root, train=split == "train", download=download)
    images = torch.from_numpy(data.data.transpose(0, 3, 1, 2).copy())
    return images, torch.tensor(data.targets, dtype=torch.int64)


def svhn(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets as tv

    data = tv.SVHN(root, split=split, download=download)
    return torch.from_numpy(data.data), torch.from_numpy(data.labels.astype(np.int64))


def gtsrb(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    """The whole picture resized to 32×32, bilinear without antialiasing."""
    from torchvision import datasets as tv

    def resize(picture: Image.Image) -> Image.Image:
        # Pillow's resize always antialiases; an affine transform samples the four neighbours.
        across, down = picture.width / 32, picture.height / 32
        matrix = (across, 0.0, 0.0, 0.0, down, 0.0)
        return picture.convert("RGB").transform(
            (32, 32), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )

    return _pictures(tv.GTSRB(root, split=split, download=download), resize)


def celeba(root: Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    """The released code's crop box, resized to 32×32; labels unknown (-1)."""
    from torchvision import datasets as tv

    data = tv.CelebA(root, split=split, target_type=[], download=download)
    images, _ = _pictures(
        ((picture, -1) for picture, _ in data),
        lambda picture: picture.crop(CELEBA_BOX).resize((32, 32), Image.Resampling.BILINEAR),
    )
    return images, torch.full((len(images),), -1, dtype=torch.int64)


def _grey(data: MNIST) -> tuple[Tensor, Tensor]:
    return data.data[:, None], data.targets.to(torch.int64)


def _pictures(
    items: Iterable[tuple[Image.Image, int]], prepare: Callable[[Image.Image], Image.Image]
) -> tuple[Tensor, Tensor]:
    pixels, labels = [], []
    for picture, label in items:
        prepared = np.asarray(prepare(picture))
        pixels.append(prepared[None] if prepared.ndim == 2 else prepared.transpose(2, 0, 1))
        labels.append(label)
    return torch.from_numpy(np.stack(pixels)), torch.tensor(labels, dtype=torch.int64)
