"""The sizes of an experiment: smoke (seconds) to paper (a GPU)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from earlyglow.checks import unknown
from earlyglow.training.config import Precision

ProfileName = Literal["smoke", "classroom", "long", "wide", "full_size", "paper_short", "paper"]


@dataclass(frozen=True)
class ClassifierSizes:
    """Everything that makes a run of a classifier small or large.

    Attributes:
        resnet_width: channels of the first stage of the residual network (32×32 colour images).
        resnet_epochs: passes that train it.
        cnn_width: channels of the first stage of the plain network (all other images).
        cnn_epochs: passes that train it.
        training_images: training images, at most; None for all.
        images: scored images of each set, at most.
        ablation_images: those that the ablations score.
        consistency_images: those whose gradients are compared under noise.
    """

    resnet_width: int
    resnet_epochs: int
    cnn_width: int
    cnn_epochs: int
    training_images: int | None
    images: int
    ablation_images: int
    consistency_images: int


@dataclass(frozen=True)
class Profile:
    """Everything that makes a run small or large.

    Attributes:
        steps: steps of flow K in each level of Glow.
        hidden: hidden channels of Glow's coupling networks.
        dense_hidden: width of DenseGlow's layers.
        dense_depth: hidden layers of DenseGlow's networks.
        epochs: epochs at which a checkpoint is kept and scored.
        images_per_epoch: images in an epoch; None for the whole training set.
        batch_size: images in one optimiser step; None for the paper's (64, DenseGlow 128).
        learning_rate: of Glow; the paper's is 5e-4. The small profiles make a hundred times fewer
            steps, so they take larger ones: the few steps then cover more of the way to a mature
            model.
        warmup_epochs: of Glow; the paper's is 5.
        fit_images: images of the fit half that the detector's Gaussians see, at most.
        eval_images: in-distribution images of the eval half that are scored, at most.
        ood_images: images of each OOD set that are scored, at most.
        precision: of training; "bf16" needs a processor that multiplies it.
        classifier: sizes of the classifiers, where the profile has any.
    """

    steps: int
    hidden: int
    dense_hidden: int
    dense_depth: int
    epochs: tuple[float, ...]
    images_per_epoch: int | None
    batch_size: int | None
    learning_rate: float
    warmup_epochs: int
    fit_images: int
    eval_images: int
    ood_images: int
    precision: Precision = "float32"
    classifier: ClassifierSizes | None = None

    @property
    def scored_images(self) -> int:
        """The fewest images that any of the sets may have."""
        return min(self.fit_images, self.eval_images, self.ood_images)


_CLASSROOM = Profile(
    steps=4,
    hidden=64,
    dense_hidden=256,
    dense_depth=4,
    epochs=(0, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20),
    images_per_epoch=5000,
    batch_size=None,
    learning_rate=2e-3,
    warmup_epochs=1,
    fit_images=1000,
    eval_images=1000,
    ood_images=1000,
    classifier=ClassifierSizes(32, 20, 16, 6, None, 2000, 500, 300),
)
_PAPER = Profile(
    steps=32,
    hidden=512,
    dense_hidden=1000,
    dense_depth=10,
    epochs=(0, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 50, 100, 200, 250),
    images_per_epoch=None,
    batch_size=None,
    learning_rate=5e-4,
    warmup_epochs=5,
    fit_images=5000,
    eval_images=5000,
    ood_images=5000,
    precision="bf16",
)
PROFILES: dict[str, Profile] = {
    "smoke": Profile(
        steps=1,
        hidden=8,
        dense_hidden=16,
        dense_depth=1,
        epochs=(0, 0.5, 1),
        images_per_epoch=320,
        batch_size=32,
        learning_rate=2e-3,
        warmup_epochs=1,
        fit_images=60,
        eval_images=60,
        ood_images=60,
        classifier=ClassifierSizes(4, 1, 4, 12, 640, 60, 40, 20),
    ),
    "classroom": _CLASSROOM,
    # The classroom's flows until a million images are seen.
    "long": replace(_CLASSROOM, epochs=(0, 0.1, 0.5, 1, 3, 10, 20, 50, 100, 200), classifier=None),
    # Twice as many steps of twice the width, until half a million images are seen.
    "wide": replace(
        _CLASSROOM,
        steps=8,
        hidden=128,
        epochs=(0, 0.1, 0.5, 1, 3, 10, 20, 50, 100),
        classifier=None,
    ),
    # The paper's models on two cores: shorter epochs, of the size of the smallest training set, and
    # as many scored images as in the classroom.
    "full_size": replace(
        _PAPER,
        epochs=(0, 0.1, 1, 5, 10, 20),
        images_per_epoch=8000,
        fit_images=1000,
        eval_images=1000,
        ood_images=1000,
        precision="float32",
    ),
    # The paper's models for a few minutes of a GPU.
    "paper_short": replace(
        _PAPER,
        epochs=(0, 1, 5, 10, 20, 35),
        images_per_epoch=10000,
        fit_images=1000,
        eval_images=1000,
        ood_images=500,
    ),
    "paper": _PAPER,
}


def find_profile(name: str) -> Profile:
    """The profile of that name; ValueError with the list of names where there is none."""
    if name not in PROFILES:
        raise ValueError(unknown("profile", name, PROFILES))
    return PROFILES[name]


def find_classifier_sizes(name: str) -> ClassifierSizes:
    """The classifiers' sizes of a profile; ValueError with the list of those that have them."""
    sizes = {name: profile.classifier for name, profile in PROFILES.items() if profile.classifier}
    if name not in sizes:
        raise ValueError(unknown("profile", name, sizes))
    return sizes[name]
