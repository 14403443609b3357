"""All data sets by name: a new one is one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from earlyglow.datasets import embedded, torchvision_source
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.torchvision_source import Source

GREY = (1, 28, 28)
COLOUR = (3, 32, 32)


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before its images are there.

    Attributes:
        title: the name for readers.
        shape: (C, H, W) of its images.
        terms: the terms under which the images may be used.
        may_be_shown: whether its images may appear in a published figure.
        source: how torchvision gives it, if it does.
        make: how it is made without any file, if it can be.
    """

    title: str
    shape: tuple[int, int, int]
    terms: str
    may_be_shown: bool = False
    source: Source | None = None
    make: Callable[[str], ImageSet] | None = None


DATASETS: dict[str, Dataset] = {
    "mnist": Dataset("MNIST", GREY, "CC BY-SA 3.0", True, torchvision_source.mnist),
    "fashion_mnist": Dataset("Fashion-MNIST", GREY, "MIT", True, torchvision_source.fashion_mnist),
    "kmnist": Dataset("KMNIST", GREY, "CC BY-SA 4.0", True, torchvision_source.kmnist),
    "omniglot": Dataset("Omniglot", GREY, "MIT", True, torchvision_source.omniglot),
    "notmnist": Dataset("notMNIST", GREY, "none stated"),
    "cifar10": Dataset("CIFAR-10", COLOUR, "none stated", True, torchvision_source.cifar10),
    "svhn": Dataset("SVHN", COLOUR, "non-commercial", False, torchvision_source.svhn),
    "celeba": Dataset(
        "CelebA", COLOUR, "non-commercial research", False, torchvision_source.celeba
    ),
    "gtsrb": Dataset("GTSRB", COLOUR, "free with citation", True, torchvision_source.gtsrb),
    "imagenet32": Dataset("ImageNet32", COLOUR, "non-commercial research"),
    "tiny_imagenet": Dataset("Tiny-ImageNet", COLOUR, "non-commercial research"),
    "digits": Dataset("Digits (8x8)", (1, 8, 8), "CC BY 4.0", True, make=embedded.digits),
    "textures": Dataset("Textures", COLOUR, "drawn here", True, make=embedded.textures),
}
