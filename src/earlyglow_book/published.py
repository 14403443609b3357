"""Which results the book is made from, in the order in which they are computed."""

from __future__ import annotations

import functools

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit, ShortCircuitCost
from earlyglow_book.chapters.group_size import GroupSize
from earlyglow_book.chapters.kmnist_failure import KmnistFailure
from earlyglow_book.chapters.likelihood_paradox import LikelihoodParadox
from earlyglow_book.chapters.low_level_features import LowLevelFeatures
from earlyglow_book.chapters.readings import Readings
from earlyglow_book.chapters.released_code import ReleasedCode
from earlyglow_book.chapters.support_overlap import SupportOverlap
from earlyglow_book.chapters.synthetic_augmentation import SyntheticAugmentation
from earlyglow_book.experiment import Experiment
from earlyglow_book.flow_runs.flows import ModelName

COLOUR = ("cifar10", "gtsrb", "celeba", "tiny_imagenet")
GREY = ("fashion_mnist", "mnist", "omniglot", "kmnist")
SEEDS = (0, 1, 2)
# ID sets of the classifiers, which need labels.
CLASSIFIED = ("cifar10", "fashion_mnist")
# Omniglot is trained for longer, as the paper's best epoch for it is the first.
FULL_SIZE_EPOCHS: dict[str, tuple[float, ...]] = {"omniglot": (0, 0.1, 1, 5, 20, 50)}
FLOWS: tuple[tuple[ModelName, tuple[str, ...]], ...] = (
    ("glow", (*GREY, *COLOUR)),
    ("dense_glow", GREY),
)
_EVERY_FLOW = tuple((model, name) for model, names in FLOWS for name in names)


def _sweeps(seed: int) -> tuple[EpochSweep, ...]:
    return tuple(EpochSweep(id_dataset=name, model=model, seed=seed) for model, name in _EVERY_FLOW)


def _overlaps(seed: int) -> tuple[SupportOverlap, ...]:
    return tuple(
        SupportOverlap(id_dataset=name, model=model, seed=seed) for model, name in _EVERY_FLOW
    )


def _long(seed: int) -> tuple[Readings, ...]:
    """The plan's flows; not all of them are published yet."""
    return tuple(
        Readings(id_dataset=name, model=model, seed=seed, profile="long")
        for model, name in _EVERY_FLOW
    )


def _over_epochs(seed: int) -> tuple[Experiment, ...]:
    return (*_sweeps(seed), *_overlaps(seed))


def _classifiers(seed: int) -> tuple[ShortCircuit, ...]:
    return tuple(ShortCircuit(id_dataset=name, seed=seed) for name in CLASSIFIED)


@functools.cache
def published_experiments() -> tuple[Experiment, ...]:
    """Every experiment of the book: one seed of every set comes first, and what follows from it."""
    return (
        EpochSweep(id_dataset="digits", profile="smoke"),
        EpochSweep(id_dataset="gtsrb", profile="smoke"),
        *_over_epochs(SEEDS[0]),
        *(LikelihoodParadox(id_dataset=name, model=model) for model, name in _EVERY_FLOW),
        *(KmnistFailure(id_dataset=name, model=model) for model, _ in FLOWS for name in GREY),
        *(ReleasedCode(id_dataset=name) for name in COLOUR),
        *(ReleasedCode(id_dataset=name, model="dense_glow") for name in GREY),
        *(GroupSize(id_dataset=name) for name in (*GREY, *COLOUR)),
        *_classifiers(SEEDS[0]),
        *(ShortCircuitCost(id_dataset=name) for name in CLASSIFIED),
        *(LowLevelFeatures(id_dataset=name) for name in ("cifar10", "fashion_mnist")),
        *(SyntheticAugmentation(id_dataset=name) for name in ("cifar10", "gtsrb")),
        *(
            EpochSweep(
                id_dataset=name,
                model="dense_glow",
                profile="full_size",
                epochs=FULL_SIZE_EPOCHS.get(name, ()),
            )
            for name in ("kmnist", "omniglot", "fashion_mnist", "mnist")
        ),
        Readings(id_dataset="celeba", profile="paper_short"),
        *_classifiers(SEEDS[1]),
        *(experiment for seed in SEEDS[1:] for experiment in _over_epochs(seed)),
        *(experiment for seed in SEEDS for experiment in _long(seed)),
    )
