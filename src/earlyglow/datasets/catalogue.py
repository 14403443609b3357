"""All data sets by name: a new one is one entry here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earlyglow.datasets.sources import is_source, parse_source

Origin = Literal["torchvision", "embedded", "file", "own"]
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
        origin: where its images come from: by torchvision, through the function of its name in
            ``torchvision_source``; made without a file, by that in ``embedded``; from a file; or
            from the user's own pictures.
    """

    title: str
    shape: tuple[int, int, int]
    terms: str
    may_be_shown: bool = False
    origin: Origin = "file"


class Catalogue(dict[str, Dataset]):
    """Data sets by name; a name such as "folder:/my/pictures?size=28&grey" is known as well."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and is_source(name))

    def __missing__(self, name: str) -> Dataset:
        if not is_source(name):
            raise KeyError(name)
        source = parse_source(name)
        return Dataset(source.title, source.shape, "your own", True, "own")


DATASETS = Catalogue(
    {
        "mnist": Dataset("MNIST", GREY, "CC BY-SA 3.0", True, "torchvision"),
        "fashion_mnist": Dataset("Fashion-MNIST", GREY, "MIT", True, "torchvision"),
        "kmnist": Dataset("KMNIST", GREY, "CC BY-SA 4.0", True, "torchvision"),
        "omniglot": Dataset("Omniglot", GREY, "MIT", True, "torchvision"),
        "notmnist": Dataset("notMNIST", GREY, "none stated"),
        "cifar10": Dataset("CIFAR-10", COLOUR, "none stated", True, "torchvision"),
        "svhn": Dataset("SVHN", COLOUR, "non-commercial", False, "torchvision"),
        "celeba": Dataset("CelebA", COLOUR, "non-commercial research", False, "torchvision"),
        "gtsrb": Dataset("GTSRB", COLOUR, "free with citation", True, "torchvision"),
        "imagenet32": Dataset("ImageNet32", COLOUR, "non-commercial research"),
        "tiny_imagenet": Dataset("Tiny-ImageNet", COLOUR, "non-commercial research"),
        "digits": Dataset("Digits (8x8)", (1, 8, 8), "CC BY 4.0", True, "embedded"),
        "textures": Dataset("Textures", COLOUR, "drawn here", True, "embedded"),
    }
)
