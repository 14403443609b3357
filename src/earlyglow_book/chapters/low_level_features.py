"""Does the score listen to textures or to content? Images that differ in one of them only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import DATASETS, ImageSet, dequantize
from earlyglow.experiments import controlled_images as controlled
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.statistics import noise_seed
from earlyglow.experiments.studies.base import BASE_SOURCE, FlowStudy, Workbench
from earlyglow.experiments.summaries import auroc_table, score_rows
from earlyglow.experiments.sweep_tables import compact, picture_table
from earlyglow.gradients import layer_gradient_norms
from earlyglow.progress import progress_bar
from earlyglow.store import Tables

_IMAGES = 500
_EXAMPLES = 8

LOW_LEVEL: dict[str, Callable[[Tensor], Tensor]] = {
    "blurred": controlled.blurred,
    "low contrast": controlled.low_contrast,
    "noisy": controlled.noisy,
    "tilted spectrum": controlled.tilted_spectrum,
    "inverted": controlled.inverted,
}
COLOUR_LEVEL: dict[str, Callable[[Tensor], Tensor]] = {
    "red and blue swapped": controlled.swapped_colours
}
CONTENT: dict[str, Callable[[Tensor], Tensor]] = {
    "upside down": controlled.upside_down,
    "shuffled patches": controlled.shuffled_patches,
    "scrambled phases": controlled.phase_scrambled,
}


@dataclass(frozen=True)
class LowLevelFeatures(FlowStudy):
    """AUROC over epochs for images changed in their low-level statistics or in their content.

    The images that are changed are :meth:`~FlowStudy.fresh_id_images`. What a swap of phases and
    amplitudes leaves behind by itself shows where both images are of the ID set: "swap alone".
    """

    name: ClassVar[str] = "low_level_features"
    version: ClassVar[int] = 2
    source_path: ClassVar[tuple[str, ...]] = (
        *BASE_SOURCE,
        "experiments/controlled_images.py",
        "experiments/studies/low_level_features.py",
    )

    id_dataset: str = "cifar10"

    def settings(self) -> dict[str, object]:
        return {"images": _IMAGES}

    def tables(self, bench: Workbench) -> Tables:
        variants = self._variants(bench.sets)
        pixels = {
            name: dequantize(images, seed=noise_seed(controlled.as_image_set(images), self.seed))
            for _, name, images in variants
        }
        parts = []
        with progress_bar(len(self.sweep.epochs) * len(pixels), "variants", "set") as progress:
            for checkpoint in bench.checkpoints():
                for part in self._scores(checkpoint, pixels):
                    parts.append(part.assign(epoch=checkpoint.epoch))
                    progress.update()
        kinds = {name: kind for kind, name, _ in variants}
        table = auroc_table(pd.concat(parts), self.id_dataset)
        return {
            "aurocs": compact(table.assign(kind=table["ood"].map(kinds))),
            "pictures": compact(self._pictures(variants)),
        }

    def _variants(self, sets: dict[str, ImageSet]) -> list[tuple[str, str, Tensor]]:
        """Kind, name and images of each variant."""
        fresh, others = self.fresh_id_images(_IMAGES), sets[FIT].images
        low_level = LOW_LEVEL | (COLOUR_LEVEL if fresh.shape[1] == 3 else {})
        swapped = controlled.with_low_level_of(fresh[: len(others)], others)
        variants = [
            ("neither", "unchanged", fresh),
            ("swap alone", f"levels of other {DATASETS[self.id_dataset].title}", swapped),
        ]
        variants += [("low level", name, change(fresh)) for name, change in low_level.items()]
        variants += [("content", name, change(fresh)) for name, change in CONTENT.items()]
        for ood in self.ood_datasets:
            other = sets[ood].images[: len(fresh)]
            own = fresh[: len(other)]
            title = DATASETS[ood].title
            variants.append(
                ("levels swapped", f"levels of {title}", controlled.with_low_level_of(own, other))
            )
            variants.append(
                ("content swapped", f"content of {title}", controlled.with_low_level_of(other, own))
            )
        return variants

    def _scores(
        self, checkpoint: MeasuredCheckpoint, pixels: dict[str, Tensor]
    ) -> Iterator[pd.DataFrame]:
        flow, own = checkpoint.flow, checkpoint.statistics[self.id_dataset]
        gradients = detectors.LayerGradientDetector(flow)
        gradients.fit_from_statistics(checkpoint.statistics[FIT].norms["log_prob", 1].values)
        likelihood = detectors.LikelihoodDetector(flow)
        pure = gradients.predict_from_statistics(own.norms["log_prob", 1].values)
        yield pd.concat(
            (
                score_rows(self.id_dataset, pure, "layer_gradients"),
                score_rows(self.id_dataset, -own.log_prob, "likelihood"),
            )
        )
        for name, x in pixels.items():
            scores = gradients.predict_from_norms(layer_gradient_norms(flow, x))
            yield pd.concat(
                (
                    score_rows(name, scores, "layer_gradients"),
                    score_rows(name, likelihood.predict(x), "likelihood"),
                )
            )

    def _pictures(self, variants: list[tuple[str, str, Tensor]]) -> pd.DataFrame:
        """A few images of each variant, of those whose sources may be shown."""
        hidden = [DATASETS[n].title for n in self.ood_datasets if not DATASETS[n].may_be_shown]
        own = DATASETS[self.id_dataset].may_be_shown
        parts = []
        for _, name, images in variants:
            count = _EXAMPLES if own and not name.endswith(tuple(hidden)) else 0
            parts.append(picture_table(name, images[:count]))
        return pd.concat(parts, ignore_index=True).assign(epoch=-1.0)
