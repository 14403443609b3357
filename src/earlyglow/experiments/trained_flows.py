"""A flow for a data set: which one, trained how, and where its checkpoints are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from earlyglow.cache import cache_folder
from earlyglow.datasets import DATASETS, ImageSet
from earlyglow.experiments.profiles import Profile
from earlyglow.flows import DenseGlow, Flow, Glow
from earlyglow.settings import digest, require_choice
from earlyglow.training import TrainingConfig, TrainingRun, train

ModelName = Literal["glow", "dense_glow"]
MODELS: tuple[str, ...] = get_args(ModelName)

# Paper's code: shift and flip for these, shift alone for SVHN, none for CelebA and 1 channel.
_AUGMENTATION: dict[str, tuple[str, ...]] = {
    "cifar10": ("shift", "flip"),
    "gtsrb": ("shift", "flip"),
    "imagenet32": ("shift", "flip"),
    "tiny_imagenet": ("shift", "flip"),
    "svhn": ("shift",),
}


@dataclass(frozen=True)
class FlowSpec:
    """What it takes to build a flow: its kind and the sizes that its constructor takes."""

    model: ModelName
    image_shape: tuple[int, int, int]
    sizes: dict[str, int]

    def as_dict(self) -> dict[str, object]:
        """The specification as JSON-like values."""
        return {"model": self.model, "image_shape": list(self.image_shape), **self.sizes}

    def build(self, seed: int) -> Flow:
        """A freshly initialised flow; the draw depends on ``seed`` alone."""
        kinds: dict[str, type[Flow]] = {"glow": Glow, "dense_glow": DenseGlow}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            flow = kinds[self.model](self.image_shape, **self.sizes)
        # Channels-last nearly halves the time of the convolutions on a CPU.
        return flow.to(memory_format=torch.channels_last)


def flow_spec(model: ModelName, id_dataset: str, profile: Profile) -> FlowSpec:
    """The flow of a profile for a data set."""
    require_choice("model", model, MODELS)
    shape = DATASETS[id_dataset].shape
    if model == "dense_glow":
        sizes = {"steps": 10, "hidden": profile.dense_hidden, "depth": profile.dense_depth}
    else:
        levels = 3 if shape[1] % 8 == 0 and shape[1] > 8 else 2
        sizes = {"levels": levels, "steps": profile.steps, "hidden": profile.hidden}
    return FlowSpec(model, shape, sizes)


def training_config(
    model: ModelName, id_dataset: str, profile: Profile, epochs: tuple[float, ...], seed: int
) -> TrainingConfig:
    """The paper's training (table of section 1.3) at a profile's size."""
    common = {"epochs": epochs, "images_per_epoch": profile.images_per_epoch, "seed": seed}
    if model == "dense_glow":
        return TrainingConfig(
            **common,
            batch_size=profile.batch_size or 128,
            optimiser="adamw",
            learning_rate=1e-3,
            weight_decay=1e-4,
            warmup_epochs=0,
        )
    return TrainingConfig(
        **common,
        batch_size=profile.batch_size or 64,
        learning_rate=profile.learning_rate,
        warmup_epochs=profile.warmup_epochs,
        augmentation=_AUGMENTATION.get(id_dataset, ()),
    )


def train_flow(spec: FlowSpec, config: TrainingConfig, images: ImageSet) -> TrainingRun:
    """Train a flow or find it trained: its checkpoints are kept in the cache by what they are."""
    flow = spec.build(config.seed)
    return train(flow, images, config, checkpoint_folder(spec, config, images.fingerprint()))


def checkpoint_folder(spec: FlowSpec, config: TrainingConfig, images: str) -> Path:
    """The cache folder of a training run on the images with that fingerprint."""
    key = digest({"spec": spec.as_dict(), "config": config.as_dict(), "images": images})
    return cache_folder() / "checkpoints" / key[:16]
