"""What each image set is compared with, and how its training images are altered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from earlyglow.datasets.catalogue import DATASETS
from earlyglow.datasets.sources import is_source, parse_source, unknown_dataset
from earlyglow.training.config import Augmentation

_COMPARED = (
    ("mnist", "fashion_mnist", "kmnist", "omniglot", "notmnist"),
    ("cifar10", "gtsrb", "celeba", "tiny_imagenet", "svhn"),
    ("digits", "textures"),
)

# The OOD sets that a flow of each ID set is usually tried on: the others of its group.
USUAL_OOD: dict[str, tuple[str, ...]] = {
    name: tuple(other for other in group if other != name) for group in _COMPARED for name in group
}

# The OOD sets that a classifier of each ID set is usually tried on, noise among them.
_NOISE = ("uniform_noise", "gaussian_noise")
USUAL_OOD_OF_CLASSIFIERS: dict[str, tuple[str, ...]] = {
    "cifar10": ("svhn", "gtsrb", "celeba", "tiny_imagenet", "textures", *_NOISE),
    "fashion_mnist": ("mnist", "omniglot", "notmnist", "kmnist"),
    "digits": ("textures", "uniform_noise"),
}

# Pictures of the user's own are tried on what every machine has.
_OOD_OF_OWN = ("textures", "digits")


def usual_ood(name: str, usual: Mapping[str, tuple[str, ...]] = USUAL_OOD) -> tuple[str, ...]:
    """The OOD sets that an ID set is usually compared with; empty where there are none."""
    return usual.get(name, _OOD_OF_OWN if is_source(name) else ())


_BOTH: tuple[Augmentation, ...] = ("shift", "flip")
# Paper's code: shift and flip for these, shift alone for SVHN, none for CelebA and 1 channel.
AUGMENTATION: dict[str, tuple[Augmentation, ...]] = {
    **dict.fromkeys(("cifar10", "gtsrb", "imagenet32", "tiny_imagenet"), _BOTH),
    "svhn": ("shift",),
}
# Of a classifier all sets are shifted. A mirrored digit or traffic sign is another class or none.
AUGMENTATION_OF_CLASSIFIERS: dict[str, tuple[Augmentation, ...]] = dict.fromkeys(
    ("cifar10", "tiny_imagenet", "fashion_mnist"), _BOTH
)


def same_pictures(first: str, second: str) -> bool:
    """Whether two sets are one folder or file of the user's own, whatever they become."""
    if not (is_source(first) and is_source(second)):
        return first == second
    return parse_source(first).path == parse_source(second).path


def require_halves(name: str) -> None:
    """Raise ValueError where a Glow of two levels cannot halve the images of a set twice."""
    _, height, width = DATASETS[name].shape
    if height % 4 or width % 4:
        raise ValueError(
            f"the images of {name} are {height}×{width}, but a Glow halves them twice; give a size "
            f"that 4 divides, such as size={max(4, round(height / 4) * 4)}."
        )


def require_comparable(
    id_dataset: str,
    ood_datasets: Sequence[str],
    usual: Mapping[str, tuple[str, ...]],
    known: Collection[str] = DATASETS,
) -> None:
    """Raise ValueError unless every set is known and named once, and there is one to detect.

    Args:
        id_dataset: the ID set, a key of ``earlyglow.DATASETS``.
        ood_datasets: the OOD sets; where empty, the usual ones are taken.
        usual: the usual OOD sets of each ID set.
        known: names that OOD sets may have, beside pictures of the user's own.
    """
    if id_dataset not in DATASETS:
        raise ValueError(unknown_dataset(id_dataset, DATASETS))
    if not ood_datasets and not usual_ood(id_dataset, usual):
        raise ValueError(
            f"ood_datasets is empty, and {id_dataset!r} has no usual sets to be compared "
            "with; name at least one."
        )
    for name in ood_datasets:
        if name not in known and not is_source(name):
            raise ValueError(unknown_dataset(name, known))
    if len(set(ood_datasets)) < len(ood_datasets):
        raise ValueError(
            f"ood_datasets is {tuple(ood_datasets)}, but no set may be named twice; leave the "
            "second out."
        )
    for name in ood_datasets:
        if name != id_dataset and same_pictures(id_dataset, name):
            raise ValueError(
                f"{id_dataset!r} and {name!r} hold the same pictures, so nothing is to be "
                "detected; name two folders."
            )
    if id_dataset in ood_datasets:
        raise ValueError(
            f"ood_datasets holds {id_dataset!r}, which is the in-distribution set; leave it out."
        )
