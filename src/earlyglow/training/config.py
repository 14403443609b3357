"""How a flow is trained: a frozen configuration that refuses bad values by name."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Real
from typing import Literal, get_args

from earlyglow.checks import require_choice, require_least, require_whole
from earlyglow.hashing import plain

Optimiser = Literal["adamax", "adamw"]
Augmentation = Literal["shift", "flip"]
Precision = Literal["float32", "bf16"]
Noise = Literal["uniform", "none"]


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run; the defaults are the paper's 3-channel ones.

    Attributes:
        epochs: epochs at which a checkpoint is kept, increasing and possibly fractional; the last
            is where training ends. 0 is the model after actnorm initialisation.
        images_per_epoch: images in one epoch; the whole training set where None. A smaller epoch
            goes on through the set where the last one stopped.
        batch_size: images in one optimiser step. In each pass through the set, the few images
            that do not fill a batch are left out; which ones changes from pass to pass.
        optimiser: "adamax" (3-channel models) or "adamw" (1-channel models).
        learning_rate: step size after the warm-up.
        weight_decay: L2 weight decay.
        warmup_epochs: epochs of linear warm-up; epoch e (from 0) runs at (e + 1) / warmup_epochs
            of the learning rate. 0 for none.
        initialisation_images: images on which the actnorms are initialised.
        augmentation: any of "shift" (up to a tenth of the size) and "flip" (left-right).
        noise: "uniform" dequantises every batch afresh; "none" centres without noise.
        precision: "bf16" runs the networks under autocast.
        seed: seeds the weights' draw by the caller, the batches, the noise and the augmentation.

    Source: arXiv 2502.00820 (code): Adamax 5e-4, weight decay 5e-5, batch 64, warm-up of five
    epochs, actnorm initialised on 8 x 64 images, no clipping.
    """

    epochs: Sequence[float] = (0, 1, 2, 3, 5, 10)
    images_per_epoch: int | None = None
    batch_size: int = 64
    optimiser: Optimiser = "adamax"
    learning_rate: float = 5e-4
    weight_decay: float = 5e-5
    warmup_epochs: int = 5
    initialisation_images: int = 512
    augmentation: Sequence[Augmentation] = ()
    noise: Noise = "uniform"
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        numbered = isinstance(self.epochs, Iterable) and not isinstance(self.epochs, str)
        if not numbered or not all(isinstance(e, numbers.Real) for e in self.epochs):
            raise ValueError(
                f"epochs is {self.epochs!r}, but it must be a list of numbers; for example "
                "(0, 0.5, 1, 2)."
            )
        # 1 and 1.0 are one epoch and must have one hash.
        epochs = tuple(
            int(e) if math.isfinite(e) and e == int(e) else plain(e) for e in self.epochs
        )
        object.__setattr__(self, "epochs", epochs)
        if isinstance(self.augmentation, str):
            raise ValueError(
                f"augmentation is {self.augmentation!r}, but it must be a list of shift and flip; "
                f"for example ({self.augmentation!r},)."
            )
        object.__setattr__(self, "augmentation", tuple(self.augmentation))
        rising = all(a < b for a, b in pairwise(epochs))
        if not epochs or not rising or epochs[0] < 0 or not math.isfinite(epochs[-1]):
            raise ValueError(
                f"epochs is {epochs}, but it must be increasing numbers of at least 0; for "
                "example (0, 0.5, 1, 2)."
            )
        for name in ("batch_size", "initialisation_images"):
            require_whole(name, getattr(self, name), 1)
        if self.images_per_epoch is not None:
            require_whole("images_per_epoch", self.images_per_epoch, self.batch_size)
        for name in ("warmup_epochs", "seed"):
            require_whole(name, getattr(self, name), 0)
        if self.seed >= 2**32:
            raise ValueError(f"seed is {self.seed}, but it must be at most {2**32 - 1}.")
        for name in ("learning_rate", "weight_decay"):
            require_least(name, getattr(self, name), 0)
        for name, value in vars(self).items():
            if isinstance(value, Real):
                # NumPy's integers overflow in the arithmetic of seeds, and JSON takes none.
                object.__setattr__(self, name, plain(value))
        require_choice("optimiser", self.optimiser, get_args(Optimiser))
        require_choice("noise", self.noise, get_args(Noise))
        require_choice("precision", self.precision, get_args(Precision))
        for augmentation in self.augmentation:
            require_choice("augmentation", augmentation, get_args(Augmentation))

    def differences(self, theirs: Mapping[str, object]) -> str:
        """What sets this configuration apart from another's ``as_dict``, epochs aside; in words."""
        return ", ".join(
            f"{name} is {value!r} here and {theirs.get(name)!r} there"
            for name, value in self.as_dict().items()
            if name != "epochs" and value != theirs.get(name)
        )

    def as_dict(self) -> dict[str, object]:
        """The settings as JSON-like values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def steps_per_epoch(self, images: int) -> int:
        """Optimiser steps in one epoch of a training set of ``images`` images."""
        per_epoch = self.images_per_epoch or images
        if min(per_epoch, images) < self.batch_size:
            raise ValueError(
                f"batch_size is {self.batch_size}, but there are only {images} training images; "
                "lower batch_size."
            )
        return per_epoch // self.batch_size

    def learning_rate_at(self, epoch: int) -> float:
        """Learning rate during epoch ``epoch``, counted from 0."""
        if self.warmup_epochs == 0:
            return self.learning_rate
        return self.learning_rate * min(1.0, (epoch + 1) / self.warmup_epochs)
