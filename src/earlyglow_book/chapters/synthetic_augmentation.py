"""Does it help to train on samples of the flow, or on altered images?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import DATASETS, ImageSet, dequantize, load_images, subset
from earlyglow.experiments import altered_training_sets as altered
from earlyglow.experiments.measured import FIT
from earlyglow.experiments.statistics import noise_seed
from earlyglow.experiments.studies.base import BASE_SOURCE, FlowStudy, Workbench
from earlyglow.experiments.summaries import auroc_table, score_rows
from earlyglow.experiments.sweep_tables import compact, picture_table
from earlyglow.flows import Flow, bits_per_dim
from earlyglow.gradients import layer_gradient_norms_by_group
from earlyglow.store import Tables
from earlyglow.training import TrainingConfig, choose_device

GROUP_SIZES = (1, 5)
_TRAINING_IMAGES = 10_000
_EPOCHS = (1, 5)
_SHARES = (0.25, 0.5, 1.0)
_TEMPERATURES = (1.0, 0.7)
_EXAMPLES = 8


@dataclass(frozen=True)
class SyntheticAugmentation(FlowStudy):
    """One flow for each way to make the training set, all trained for as many steps.

    The samples come from the sweep's flow at its last epoch. Detectors are fitted and tested on
    real images throughout.
    """

    name: ClassVar[str] = "synthetic_augmentation"
    version: ClassVar[int] = 1
    source_path: ClassVar[tuple[str, ...]] = (
        *BASE_SOURCE,
        "experiments/altered_training_sets.py",
        "experiments/studies/synthetic_augmentation.py",
    )

    id_dataset: str = "cifar10"

    @property
    def training(self) -> TrainingConfig:
        """How each variant is trained: as the sweep's flow, to an early and a later epoch."""
        last = self.sweep.epochs[-1]
        epochs = tuple(epoch for epoch in _EPOCHS if epoch < last) or (last,)
        config = replace(self.sweep.training, epochs=epochs)
        # An epoch of the whole set would be longer for the set of four copies.
        whole = config.images_per_epoch is None
        return replace(config, images_per_epoch=_TRAINING_IMAGES) if whole else config

    def settings(self) -> dict[str, object]:
        return {
            "variants": {
                "epochs": list(self.training.epochs),
                "training_images": _TRAINING_IMAGES,
                "shares": list(_SHARES),
                "temperatures": list(_TEMPERATURES),
                "group_sizes": list(GROUP_SIZES),
            }
        }

    def tables(self, bench: Workbench) -> Tables:
        mature = [checkpoint.flow for checkpoint in bench.checkpoints()][-1]
        aurocs, bits, pictures = [], [], []
        for name, training_set in self._training_sets(mature):
            for epoch, flow in bench.retrained(self.sweep.flow, self.training, training_set):
                facts = {"variant": name, "epoch": epoch}
                scored, mean_bits = self._scored(flow, bench.sets)
                scored = scored.assign(epoch=epoch)
                aurocs.append(auroc_table(scored, self.id_dataset).assign(variant=name))
                bits.append({**facts, "bits_per_dim": mean_bits})
            pictures.append(self._pictures(name, training_set))
        return {
            "aurocs": compact(pd.concat(aurocs, ignore_index=True)).astype({"variant": "category"}),
            "epochs": pd.DataFrame(bits),
            "pictures": compact(pd.concat(pictures, ignore_index=True)),
        }

    def _training_sets(self, mature: Flow) -> Iterator[tuple[str, ImageSet]]:
        every = load_images(self.id_dataset, "train")
        real = every.take(subset(len(every), _TRAINING_IMAGES))
        yield "real images", real
        for temperature in _TEMPERATURES:
            samples = altered.sampled(mature, len(real), temperature, self.seed)
            for share in _SHARES:
                name = f"{share:.0%} samples, T {temperature:g}"
                yield name, _with(real, altered.mixed(real.images, samples, share))
        changes: dict[str, Callable[[Tensor], Tensor]] = {
            "four altered copies": lambda x: altered.copies(x, self.seed),
            "10% random pixels": lambda x: altered.random_pixels(x, 0.1, self.seed),
            "20% random pixels": lambda x: altered.random_pixels(x, 0.2, self.seed),
        }
        for name, change in changes.items():
            yield name, _with(real, change(real.images))

    def _scored(self, flow: Flow, sets: dict[str, ImageSet]) -> tuple[pd.DataFrame, float]:
        """Gradient scores of every set, and the bits per dimension of the eval half."""
        pixels = {
            name: dequantize(images.images, seed=noise_seed(images, self.seed)).to(choose_device())
            for name, images in sets.items()
        }
        norms = {
            name: layer_gradient_norms_by_group(flow, x, GROUP_SIZES) for name, x in pixels.items()
        }
        parts = []
        for size in GROUP_SIZES:
            detector = detectors.LayerGradientDetector(flow, size).fit_from_norms(norms[FIT][size])
            for name in (self.id_dataset, *self.ood_datasets):
                scores = detector.predict_from_norms(norms[name][size])
                parts.append(score_rows(name, scores, "layer_gradients", "log_prob", size))
        log_prob = detectors.mean_log_prob(flow, pixels[self.id_dataset])
        return pd.concat(parts), bits_per_dim(log_prob.double(), flow.dims).mean().item()

    def _pictures(self, name: str, images: ImageSet) -> pd.DataFrame:
        count = _EXAMPLES if DATASETS[self.id_dataset].may_be_shown else 0
        shown = images.images[len(images) - count :]
        return picture_table(name, shown).assign(epoch=-1.0)


def _with(real: ImageSet, images: Tensor) -> ImageSet:
    labels = torch.full((len(images),), -1, dtype=torch.int64)
    return replace(real, images=images, labels=labels)
