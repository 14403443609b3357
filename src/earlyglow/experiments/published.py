"""Which results the book is made from, in the order in which they are computed."""

from __future__ import annotations

from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.running import Experiment

COLOUR = ("cifar10", "gtsrb", "celeba", "tiny_imagenet")
GREY = ("fashion_mnist", "mnist", "omniglot", "kmnist")
SEEDS = (0, 1, 2)

# One seed of every set comes first, so that every page has something real early.
PUBLISHED: tuple[Experiment, ...] = (
    EpochSweep(id_dataset="digits", profile="smoke"),
    EpochSweep(id_dataset="gtsrb", profile="smoke"),
    *(
        EpochSweep(id_dataset=name, model=model, seed=seed)
        for seed in SEEDS
        for model, names in (("glow", (*GREY, *COLOUR)), ("dense_glow", GREY))
        for name in names
    ),
)
