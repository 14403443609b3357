"""Parameters of the quickstart notebook, which trains live and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earlyglow.datasets import DATASETS, require_available
from earlyglow.settings import require_least, require_whole, unknown


@dataclass(frozen=True)
class Quickstart:
    """A tiny Glow on one set, tested on another.

    Attributes:
        id_dataset: the in-distribution set.
        ood_dataset: the set to detect, brought to the ID set's shape.
        epochs: passes over the training images, 0.1 to 100.
        group_size: images in a group, 1 to 50.
        seed: of weights, batches and noise.
        profile: "smoke" for at most half an epoch, "classroom" for the epochs asked for.
    """

    name: ClassVar[str] = "quickstart"

    id_dataset: str = "digits"
    ood_dataset: str = "textures"
    epochs: float = 1.0
    group_size: int = 1
    seed: int = 0
    profile: str = "classroom"

    def __post_init__(self) -> None:
        for name in (self.id_dataset, self.ood_dataset):
            if name not in DATASETS:
                raise ValueError(unknown("data set", name, DATASETS))
        if self.profile not in ("smoke", "classroom"):
            raise ValueError(unknown("profile", self.profile, ("smoke", "classroom")))
        require_least("epochs", self.epochs, 0.1)
        require_whole("group_size", self.group_size, 1)
        require_whole("seed", self.seed, 0)
        if self.epochs > 100 or self.group_size > 50:
            raise ValueError(
                f"epochs is {self.epochs} and group_size {self.group_size}, but they must be at "
                "most 100 and 50."
            )
        if self.profile == "smoke":
            object.__setattr__(self, "epochs", min(self.epochs, 0.5))

    def prepare(self) -> None:
        """Refuse missing images; the notebook itself trains before the reader's eyes.

        Raises:
            DatasetError: images are neither on this machine nor to be downloaded.
        """
        require_available(self.id_dataset, "train")
        require_available(self.id_dataset, "test")
        require_available(self.ood_dataset, "test")
