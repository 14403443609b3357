"""Every detector of the book on the same images at an early, a middle and the last epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, get_args

import pandas as pd
from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import ImageSet, dequantize
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.statistics import noise_seed
from earlyglow.experiments.studies.base import (
    BASE_SOURCE,
    FlowStudy,
    Workbench,
    without_fit,
)
from earlyglow.experiments.summaries import auroc_table, score_rows
from earlyglow.experiments.sweep_tables import compact
from earlyglow.flows import Flow, bits_per_dim
from earlyglow.store import Tables

GROUP_SIZES = (1, 5)
# Rao's score needs a whole gradient for each image, ten times the price of its layers' norms.
_RAO_IMAGES = 250


@dataclass(frozen=True)
class LikelihoodParadox(FlowStudy):
    """Likelihood, typicality, input complexity, and five ways to score gradients.

    The table "complexity" has the mean length of each set's PNG files in bits per dimension.
    """

    name: ClassVar[str] = "likelihood_paradox"
    version: ClassVar[int] = 2
    source_path: ClassVar[tuple[str, ...]] = (
        *BASE_SOURCE,
        "experiments/studies/likelihood_paradox.py",
    )

    def settings(self) -> dict[str, object]:
        return {
            "group_sizes": list(GROUP_SIZES),
            "rao": _RAO_IMAGES,
        }

    def tables(self, bench: Workbench) -> Tables:
        lengths = {
            (name, compressor): detectors.compressed_bits(dequantize(images.images), compressor)
            for name, images in bench.sets.items()
            for compressor in get_args(detectors.Compressor)
        }
        scores = []
        for checkpoint in bench.checkpoints():
            if checkpoint.epoch not in self.shown_epochs:
                continue
            parts = [
                *_gradient_scores(checkpoint),
                *_likelihood_scores(checkpoint, lengths),
                *self._rao_scores(checkpoint.flow, bench.sets),
            ]
            scores += [part.assign(epoch=checkpoint.epoch) for part in parts]
        complexity = [
            {"dataset": name, "png_bits": lengths[name, "png"].mean().item() / images[0].numel()}
            for name, images in ((n, s.images) for n, s in bench.sets.items())
            if name != FIT
        ]
        return {
            "aurocs": compact(auroc_table(pd.concat(scores), self.id_dataset)),
            "complexity": compact(pd.DataFrame(complexity)),
        }

    def _rao_scores(self, flow: Flow, sets: dict[str, ImageSet]) -> Iterator[pd.DataFrame]:
        detector = detectors.RaoDetector(flow).fit(self._few(sets[FIT]))
        for name, images in sets.items():
            if name != FIT:
                yield score_rows(name, detector.predict(self._few(images)), "rao", "log_prob")

    def _few(self, images: ImageSet) -> Tensor:
        """The first images, with the noise with which the sweep measured them."""
        return dequantize(images.images[:_RAO_IMAGES], seed=noise_seed(images, self.seed))


def _gradient_scores(checkpoint: MeasuredCheckpoint) -> Iterator[pd.DataFrame]:
    for size in GROUP_SIZES:
        from_norms: list[tuple[str, str, detectors.StatisticsDetector]] = [
            ("layer_gradients", "log_prob", detectors.LayerGradientDetector(checkpoint.flow, size)),
            ("layer_gradients", "sum_z", detectors.LayerGradientDetector(checkpoint.flow, size)),
            ("layer_density", "log_prob", detectors.LayerDensityDetector(checkpoint.flow, size)),
            ("total_norm", "log_prob", detectors.TotalNormDetector(checkpoint.flow, size)),
        ]
        for name, objective, detector in from_norms:
            key = (objective, size)
            detector.fit_from_statistics(checkpoint.statistics[FIT].norms[key].values)
            for dataset, measured in without_fit(checkpoint.statistics).items():
                scores = detector.predict_from_statistics(measured.norms[key].values)
                yield score_rows(dataset, scores, name, objective, size)


def _likelihood_scores(
    checkpoint: MeasuredCheckpoint, lengths: dict[tuple[str, detectors.Compressor], Tensor]
) -> Iterator[pd.DataFrame]:
    dims = checkpoint.flow.dims
    for size in GROUP_SIZES:
        for detector, name in (
            (detectors.LikelihoodDetector(checkpoint.flow, size), "likelihood"),
            (detectors.TypicalityDetector(checkpoint.flow, size), "typicality"),
        ):
            detector.fit_from_statistics(
                detectors.mean_of_groups(checkpoint.statistics[FIT].log_prob, size)
            )
            for dataset, measured in without_fit(checkpoint.statistics).items():
                means = detectors.mean_of_groups(measured.log_prob, size)
                scores = detector.predict_from_statistics(means)
                yield score_rows(dataset, scores, name, "", size)
        for dataset, measured in without_fit(checkpoint.statistics).items():
            bits = bits_per_dim(measured.log_prob.double().cpu(), dims) * dims
            for compressor in get_args(detectors.Compressor):
                excess = detectors.mean_of_groups(bits - lengths[dataset, compressor], size)
                yield score_rows(dataset, excess, "input_complexity", compressor, size)
