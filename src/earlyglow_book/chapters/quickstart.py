"""A tiny Glow that trains before the reader's eyes, and stores nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import earlyglow as eg
from earlyglow_book.experiment import Chapter
from earlyglow_book.flow_runs.detectors import DEFAULT, DetectorChoice
from earlyglow_book.image_sets import require_comparable, require_halves
from earlyglow_book.parameters import (
    DatasetName,
    Field,
    Number,
    ParameterError,
    Seed,
    Whole,
    parameters,
)

if TYPE_CHECKING:
    from earlyglow.datasets.image_set import ImageSet


@parameters
class Quickstart(Chapter):
    """A tiny Glow on one set, tested on another."""

    name: ClassVar[str] = "quickstart"

    id_dataset: DatasetName = Field(default="digits", description="The ID set.")
    ood_dataset: DatasetName = Field(
        default="textures", description="The OOD set, brought to the shape of the ID images."
    )
    epochs: Number = Field(
        default=1.0, ge=0.1, le=100, description="Passes over the training images."
    )
    group_size: Whole = Field(
        default=1, ge=1, le=50, description="Images in a group that is scored together."
    )
    seed: Seed = 0
    profile: Literal["smoke", "classroom"] = Field(
        default="classroom",
        description="Smoke trains for at most half an epoch, classroom for all epochs.",
    )
    detector: DetectorChoice = DEFAULT

    def __post_init__(self) -> None:
        if self.id_dataset == self.ood_dataset:
            raise ParameterError(
                f"id_dataset and ood_dataset are both {self.id_dataset!r}, so nothing is to be "
                "detected; name two sets."
            )
        require_comparable(self.id_dataset, (self.ood_dataset,), {})
        require_halves(self.id_dataset)
        if self.profile == "smoke":
            object.__setattr__(self, "epochs", min(self.epochs, 0.5))

    def prepare(self) -> None:
        """Have all images on this machine; the notebook itself trains before the reader's eyes.

        Raises:
            DatasetError: images are neither on this machine nor to be downloaded, or a picture of
                the user's own cannot be read.
        """
        batch = eg.TrainingConfig().batch_size
        sets = ((self.id_dataset, "train"), (self.id_dataset, "test"), (self.ood_dataset, "test"))
        for name, split in sets:
            if eg.DATASETS[name].origin != "embedded":
                found = len(eg.load_images(name, split, limit=batch))
                if split == "train" and found < batch:
                    raise ParameterError(
                        f"{name} has {found} training images, but a training needs {batch}; add "
                        "pictures."
                    )


def conversion(name: str, images: ImageSet) -> str:
    """What happens to a set's images so that they have the shape of others, in words.

    Args:
        name: the set's.
        images: of the shape that they get.
    """
    before, after = eg.DATASETS[name].shape, images.image_shape
    if before == after:
        return f"the images of {name} are taken as they are"
    done = []
    if before[0] != after[0]:
        done.append("made grey" if after[0] == 1 else "given three equal channels")
    if before[1:] != after[1:]:
        size = "×".join(map(str, after[1:]))
        done.append(f"resized from {'×'.join(map(str, before[1:]))} to {size}")
    return f"the images of {name} are {' and '.join(done)}"
