"""Which results the book is made from, in the order in which they are computed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from earlyglow_book.chapters.chaos import Chaos
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.chapters.few_images import FewImages
from earlyglow_book.chapters.few_training_images import COUNTS, FewTrainingImages
from earlyglow_book.chapters.gradient_short_circuit import (
    ShortCircuit,
    ShortCircuitCost,
    ShortCircuitShares,
)
from earlyglow_book.chapters.group_size import GroupSize
from earlyglow_book.chapters.kmnist_failure import KmnistFailure
from earlyglow_book.chapters.likelihood_paradox import LikelihoodParadox
from earlyglow_book.chapters.low_level_features import LowLevelFeatures
from earlyglow_book.chapters.no_flow import NoFlow, PictureScores
from earlyglow_book.chapters.norm_geometry import NormGeometry
from earlyglow_book.chapters.readings import Readings
from earlyglow_book.chapters.released_code import ReleasedCode
from earlyglow_book.chapters.shift import Shift
from earlyglow_book.chapters.support_overlap import SupportOverlap
from earlyglow_book.chapters.synthetic_augmentation import SyntheticAugmentation
from earlyglow_book.experiment import Experiment

COLOUR = ("cifar10", "gtsrb", "celeba", "tiny_imagenet")
GREY = ("fashion_mnist", "mnist", "omniglot", "kmnist")
SEEDS = (0, 1, 2)
# ID sets of the classifiers, which need labels.
CLASSIFIED = ("cifar10", "fashion_mnist")
_FULL_SIZE = {"model": "dense_glow", "profile": "full_size"}


def _of_sets(
    kind: Callable[..., Experiment], names: Iterable[str], **values: object
) -> list[Experiment]:
    """One experiment for each of several ID sets."""
    return [kind(id_dataset=name, **values) for name in names]


def _of_every_flow(kind: Callable[..., Experiment], **values: object) -> list[Experiment]:
    """One experiment for every flow of the book."""
    dense = _of_sets(kind, GREY, model="dense_glow", **values)
    return [*_of_sets(kind, (*GREY, *COLOUR), model="glow", **values), *dense]


def _over_epochs(seed: int) -> list[Experiment]:
    return [*_of_every_flow(EpochSweep, seed=seed), *_of_every_flow(SupportOverlap, seed=seed)]


@functools.cache
def published_experiments() -> tuple[Experiment, ...]:
    """Every experiment of the book: one seed of every set comes first, and what follows from it."""
    return (
        EpochSweep(id_dataset="digits", profile="smoke"),
        EpochSweep(id_dataset="gtsrb", profile="smoke"),
        *_over_epochs(SEEDS[0]),
        *_of_sets(NoFlow, (*GREY, *COLOUR)),
        *_of_sets(PictureScores, (*GREY, *COLOUR)),
        *_of_every_flow(LikelihoodParadox),
        *(Chaos(model=model) for model in ("dense_glow", "glow")),
        *_of_sets(KmnistFailure, GREY, model="glow"),
        *_of_sets(KmnistFailure, GREY, model="dense_glow"),
        *_of_sets(ReleasedCode, COLOUR),
        *_of_sets(ReleasedCode, GREY, model="dense_glow"),
        *_of_sets(GroupSize, (*GREY, *COLOUR)),
        *_of_sets(ShortCircuit, CLASSIFIED, seed=SEEDS[0]),
        *_of_sets(ShortCircuitShares, CLASSIFIED, seed=SEEDS[0]),
        *_of_sets(ShortCircuitCost, CLASSIFIED),
        *_of_sets(LowLevelFeatures, ("cifar10", "fashion_mnist")),
        *_of_sets(SyntheticAugmentation, ("cifar10", "gtsrb")),
        *_of_sets(EpochSweep, ("kmnist",), **_FULL_SIZE),
        # Trained for longer, as the paper's best epoch for it is the first.
        *_of_sets(EpochSweep, ("omniglot",), **_FULL_SIZE, epochs=(0, 0.1, 1, 5, 20, 50)),
        *_of_sets(EpochSweep, ("fashion_mnist", "mnist"), **_FULL_SIZE),
        Readings(id_dataset="celeba", profile="paper_short"),
        *(f for n in COUNTS for f in _of_sets(FewTrainingImages, CLASSIFIED, train_images=n)),
        *_of_sets(ShortCircuit, CLASSIFIED, seed=SEEDS[1]),
        *(experiment for seed in SEEDS[1:] for experiment in _over_epochs(seed)),
        # The plan's flows; not all of them are published yet.
        *_of_every_flow(Readings, seed=SEEDS[0], profile="long"),
        *_of_every_flow(NormGeometry),
        *_of_every_flow(FewImages),
        *_of_every_flow(Shift),
        *(f for seed in SEEDS[1:] for f in _of_every_flow(Readings, seed=seed, profile="long")),
        *_of_sets(Readings, ("cifar10", "gtsrb"), profile="wide"),
    )
