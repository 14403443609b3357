"""Does it help to train on samples of the flow, or on altered images?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow.training.config import TrainingConfig
from earlyglow_book.chapters.tools import aurocs, measuring, stored
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.run import trained_otherwise
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.texts import Texts, formatted, with_interval
from earlyglow_book.titles import title_of

if TYPE_CHECKING:
    from earlyglow.datasets.image_set import ImageSet

GROUP_SIZES = (1, 5)
_TRAINING_IMAGES = 10_000
_EPOCHS = (1, 5)
_SHARES = (0.25, 0.5, 1.0)
_TEMPERATURES = (1.0, 0.7)
_EXAMPLES = 8


@parameters
class SyntheticAugmentation(FlowStudy):
    """One flow for each way to make the training set, all trained for as many steps.

    The samples come from the sweep's flow at its last epoch. Detectors are fitted and tested on
    real images throughout.
    """

    name: ClassVar[str] = "synthetic_augmentation"
    version: ClassVar[int] = 1

    id_dataset: IdDataset = "cifar10"

    @property
    def training(self) -> TrainingConfig:
        """How each variant is trained: as the sweep's flow, to an early and a later epoch."""
        last = self.run.epochs[-1]
        epochs = tuple(epoch for epoch in _EPOCHS if epoch < last) or (last,)
        config = replace(self.run.training, epochs=epochs)
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

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        mature = [checkpoint.flow for checkpoint in checkpoints][-1]
        areas, bits, pictures = [], [], []
        for name, training_set in self._training_sets(mature):
            flows = trained_otherwise(self.run.spec, self.training, training_set, workspace)
            for epoch, flow in flows:
                scored, mean_bits = self._scored(flow, sets)
                scored = scored.assign(epoch=epoch)
                areas.append(aurocs.auroc_table(scored, self.id_dataset).assign(variant=name))
                bits.append({"variant": name, "epoch": epoch, "bits_per_dim": mean_bits})
            pictures.append(self._pictures(name, training_set))
        return {
            "aurocs": stored.joined(areas).astype({"variant": "category"}),
            "epochs": pd.DataFrame(bits),
            "pictures": stored.joined(pictures),
        }

    def _training_sets(self, mature: eg.Flow) -> Iterator[tuple[str, ImageSet]]:
        every = eg.load_images(self.id_dataset, "train")
        real = every.take(eg.subset(len(every), _TRAINING_IMAGES))
        yield "real images", real
        for temperature in _TEMPERATURES:
            samples = measuring.sampled(mature, len(real), temperature, self.seed)
            for share in _SHARES:
                name = f"{share:.0%} samples, T {temperature:g}"
                yield name, _with(real, mixed(real.images, samples, share))
        changes: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "four altered copies": lambda x: copies(x, self.seed),
            "10% random pixels": lambda x: random_pixels(x, 0.1, self.seed),
            "20% random pixels": lambda x: random_pixels(x, 0.2, self.seed),
        }
        for name, change in changes.items():
            yield name, _with(real, change(real.images))

    def _scored(self, flow: eg.Flow, sets: Sets) -> tuple[pd.DataFrame, float]:
        """Gradient scores of every set, and the bits per dimension of the eval half."""
        pixels = {
            name: measuring.noisy_pixels(images, self.seed).to(eg.training.choose_device())
            for name, images in sets.items()
        }
        by_group = eg.gradients.layer_gradient_norms_by_group
        norms = {name: by_group(flow, x, GROUP_SIZES) for name, x in pixels.items()}
        parts = []
        for size in GROUP_SIZES:
            detector = eg.LayerGradientDetector(flow, size).fit_from_norms(norms[FIT][size])
            scores = {
                name: detector.predict_from_norms(norms[name][size])
                for name in (self.id_dataset, *self.ood_datasets)
            }
            parts.append(aurocs.set_rows(scores, "layer_gradients", "log_prob", size))
        log_prob = eg.detectors.mean_log_prob(flow, pixels[self.id_dataset])
        return pd.concat(parts), eg.bits_per_dim(log_prob.double(), flow.dims).mean().item()

    def _pictures(self, name: str, images: ImageSet) -> pd.DataFrame:
        count = _EXAMPLES if eg.DATASETS[self.id_dataset].may_be_shown else 0
        shown = images.images[len(images) - count :]
        return stored.picture_table(name, shown).assign(epoch=-1.0)


def _with(real: ImageSet, images: torch.Tensor) -> ImageSet:
    labels = torch.full((len(images),), -1, dtype=torch.int64)
    return replace(real, images=images, labels=labels)


_COPIES = 4


def mixed(real: torch.Tensor, samples: torch.Tensor, share: float) -> torch.Tensor:
    """Real images with the last ``share`` of them replaced by as many samples."""
    replaced = round(share * len(real))
    return torch.cat((real[: len(real) - replaced], samples[:replaced]))


def copies(images: torch.Tensor, seed: int) -> torch.Tensor:
    """Four altered copies of each image: moved, turned, mirrored, and in other colours.

    Moves of up to a tenth of the size, rotations of up to ten degrees, left-right flips, and colour
    jitter of 0.2 (arXiv 2502.00820, code). The copies take the place of the images.
    """
    from torchvision.transforms import v2

    hue = 0.2 if images.shape[1] == 3 else 0
    move = v2.RandomAffine(degrees=10, translate=(0.1, 0.1))
    alter = v2.Compose([move, v2.RandomHorizontalFlip(), v2.ColorJitter(0.2, 0.2, 0.2, hue)])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.stack([alter(image) for image in images for _ in range(_COPIES)])


def random_pixels(images: torch.Tensor, rate: float, seed: int) -> torch.Tensor:
    """Each pixel replaced by uniform levels with probability ``rate`` (arXiv 2502.00820, code)."""
    generator = torch.Generator().manual_seed(seed)
    count, _, height, width = images.shape
    chosen = torch.rand(count, 1, height, width, generator=generator) < rate
    noise = torch.randint(0, 256, images.shape, generator=generator, dtype=torch.uint8)
    return torch.where(chosen, noise, images)


_REAL = "real images"


def words(chapter: SyntheticAugmentation, single: pd.DataFrame, grouped: pd.DataFrame) -> Texts:
    """The hardest pair and the means with real and with other training images.

    From the study's AUROCs of single images, and of groups of five at the last epoch.
    """
    last = chapter.training.epochs[-1]
    at_end = single[single["epoch"] == last]
    table = at_end.pivot(index="variant", columns="ood", values="auroc")
    real, others = table.loc[_REAL], table.drop(index=_REAL)
    hardest = real.idxmin()
    best, means = others[hardest].idxmax(), others.mean(axis=1)
    row = at_end[at_end["ood"] == hardest].set_index("variant")
    fives = grouped[grouped["ood"] == hardest].set_index("variant")
    best_five = fives["auroc"].drop(_REAL).idxmax()
    return {
        "hardest_real_five": with_interval(fives.loc[_REAL]),
        "hardest_best_five": with_interval(fives.loc[best_five]),
        "best_five": str(best_five),
        "hardest": title_of(str(hardest)),
        "hardest_real": with_interval(row.loc[_REAL]),
        "best": str(best),
        "hardest_best": with_interval(row.loc[best]),
        "variants": str(len(others)),
        **formatted(".3f", mean_real=real.mean(), mean_best=means.max()),
        "mean_best_name": str(means.idxmax()),
        "mean_worst": f"{means.min():.3f}",
        "mean_worst_name": str(means.idxmin()),
        "last": f"{last:g}",
        "id": title_of(chapter.id_dataset),
    }
