"""A flow for a data set: which one, trained how, and where its checkpoints are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import earlyglow as eg
from earlyglow.checks import require_choice
from earlyglow.hashing import digest
from earlyglow.training.config import TrainingConfig
from earlyglow_book.deferred import torch
from earlyglow_book.flow_runs.profiles import Profile
from earlyglow_book.image_sets import AUGMENTATION, require_halves

if TYPE_CHECKING:
    from earlyglow.datasets.image_set import ImageSet
    from earlyglow.training.fitting import TrainingRun

# Semantic versions, raised by hand when the meaning of a step changes.
VERSIONS = {"datasets": 1, "flows": 1, "training": 1}

ModelName = Literal["glow", "dense_glow"]
MODELS: tuple[str, ...] = get_args(ModelName)


@dataclass(frozen=True)
class FlowSpec:
    """What it takes to build a flow: its kind and the sizes that its constructor takes."""

    model: str
    image_shape: tuple[int, int, int]
    sizes: Mapping[str, Any]

    def as_dict(self) -> dict[str, object]:
        """The specification as JSON-like values."""
        return {"model": self.model, "image_shape": list(self.image_shape), **self.sizes}

    def build(self, seed: int) -> eg.Flow:
        """A freshly initialised flow; the draw depends on ``seed`` alone."""
        kinds = {"glow": eg.Glow, "dense_glow": eg.DenseGlow}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return kinds[self.model](self.image_shape, **self.sizes)

    def outline(self) -> eg.Flow:
        """The flow without its weights' memory, to look at its layers and count."""
        with torch.device("meta"):
            return self.build(seed=0)

    def count_parameters(self) -> int:
        """How many weights the flow has."""
        return sum(parameter.numel() for parameter in self.outline().parameters())


def flow_spec(model: str, id_dataset: str, profile: Profile) -> FlowSpec:
    """The flow of a profile for a data set; ValueError where the model does not take its images."""
    require_choice("model", model, MODELS)
    shape = eg.DATASETS[id_dataset].shape
    if model == "dense_glow":
        if shape[0] != 1:
            grey = ", ".join(name for name, other in eg.DATASETS.items() if other.shape[0] == 1)
            raise ValueError(
                f"id_dataset is {id_dataset!r}, which has colour, but dense_glow takes grey "
                f"images; choose one of {grey}."
            )
        sizes = {"steps": 10, "hidden": profile.dense_hidden, "depth": profile.dense_depth}
    else:
        require_halves(id_dataset)
        levels = 3 if shape[1] % 8 == 0 and shape[1] > 8 else 2
        sizes = {"levels": levels, "steps": profile.steps, "hidden": profile.hidden}
    return FlowSpec(model, shape, sizes)


def training_config(
    model: str, id_dataset: str, profile: Profile, epochs: tuple[float, ...], seed: int
) -> TrainingConfig:
    """The paper's optimiser, schedule and augmentation at a profile's size.

    Unlike the released one-channel code, which takes [0, 1] as it is, DenseGlow is trained on
    dequantised images too: only then is its log-density bounded and comparable in bits.
    """
    if model == "dense_glow":
        return TrainingConfig(
            epochs,
            profile.images_per_epoch,
            seed=seed,
            batch_size=profile.batch_size or 128,
            optimiser="adamw",
            learning_rate=1e-3,
            weight_decay=1e-4,
            warmup_epochs=0,
            precision=profile.precision,
        )
    return TrainingConfig(
        epochs,
        profile.images_per_epoch,
        seed=seed,
        batch_size=profile.batch_size or 64,
        learning_rate=profile.learning_rate,
        warmup_epochs=profile.warmup_epochs,
        augmentation=AUGMENTATION.get(id_dataset, ()),
        precision=profile.precision,
    )


def train_flow(
    spec: FlowSpec, config: TrainingConfig, images: ImageSet, workspace: Path
) -> TrainingRun:
    """Train a flow, or find it trained: checkpoints are kept in ``workspace`` by what they are.

    A flow that was trained for fewer epochs goes on from there.
    """
    flow = spec.build(config.seed)
    described = {
        "spec": spec.as_dict(),
        # A checkpoint fits one layout of layers, which may change without a new meaning.
        "layers": repr(flow),
        "config": config.as_dict(),
        "images": images.fingerprint(),
        "versions": VERSIONS,
    }
    # Trainings of version 0.1.0 lie under keys that name their epochs.
    folder = workspace / "checkpoints" / digest(described)[:16]
    if not folder.is_dir():
        without_epochs = {**config.as_dict(), "epochs": None}
        folder = folder.with_name(digest({**described, "config": without_epochs})[:16])
    return eg.train(flow, images, config, folder)
