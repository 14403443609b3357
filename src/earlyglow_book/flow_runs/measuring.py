"""What is measured once for each checkpoint and image set, and from which all scores follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from earlyglow.datasets.dequantization import dequantize, quantize
from earlyglow.datasets.image_set import ImageSet
from earlyglow.detectors import (
    LayerGradientDetector,
    StatisticsDetector,
    mean_log_prob,
    mean_of_groups,
)
from earlyglow.flows import Flow, bits_per_dim
from earlyglow.gradients import LayerNorms, layer_gradient_norms_by_group
from earlyglow.hashing import digest
from earlyglow.processes import spread
from earlyglow.progress import progress_bar
from earlyglow.training.checkpoints import load_tensors, load_weights, save_tensors
from earlyglow.training.fitting import choose_device
from earlyglow_book.flow_runs.protocol import FIT, NORM_VERSIONS

_SAMPLED_AT_ONCE = 500


@dataclass(frozen=True)
class Statistics:
    """Log-likelihoods and gradient norms of one image set.

    Attributes:
        log_prob: (N,) nats.
        norms: by objective and group size.
    """

    log_prob: Tensor
    norms: dict[tuple[str, int], LayerNorms]


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """A flow at one epoch, and the statistics of each set under it.

    Attributes:
        epoch: of the checkpoint.
        flow: with its weights.
        statistics: by set; those of the fit half under ``FIT``.
    """

    epoch: float
    flow: Flow
    statistics: dict[str, Statistics]

    @property
    def fit(self) -> Statistics:
        """The statistics of the fit half of the ID test images."""
        return self.statistics[FIT]

    @property
    def scored(self) -> dict[str, Statistics]:
        """The sets that are scored: all but the fit half."""
        return {name: measured for name, measured in self.statistics.items() if name != FIT}

    def norms(self, objective: str = "log_prob", size: int = 1) -> dict[str, Tensor]:
        """Squared norms (G, L) of every set, the fit half among them."""
        return {
            name: found.norms[objective, size].values for name, found in self.statistics.items()
        }

    def detector_inputs(self, objective: str, size: int) -> dict[str, Tensor]:
        """Norms of an objective, or mean log-likelihoods (G,) where it is empty, of every set."""
        if objective:
            return self.norms(objective, size)
        return {n: mean_of_groups(found.log_prob, size) for n, found in self.statistics.items()}

    def gradient_detector(self, size: int = 1) -> LayerGradientDetector:
        """The detector by gradients of log p, fitted on the fit half."""
        detector = LayerGradientDetector(self.flow, size)
        return detector.fit_from_statistics(self.fit.norms["log_prob", size].values)


def measure(
    flow: Flow,
    images: ImageSet,
    group_sizes: Sequence[int],
    objectives: Sequence[str],
    seed: int,
) -> Statistics:
    """Measure one image set under a flow; ``seed`` and the set make the dequantisation noise."""
    device = next(flow.parameters()).device
    x = noisy_pixels(images, seed).to(device)
    kinds = [(objective, size) for objective in objectives for size in group_sizes]

    def columns(part: Tensor) -> list[Tensor]:
        norms: dict[tuple[str, int], LayerNorms] = {}
        for objective in objectives:
            by_size = layer_gradient_norms_by_group(flow, part, group_sizes, objective=objective)
            norms |= {(objective, size): by_size[size] for size in group_sizes}
        return [mean_log_prob(flow, part), *(norms[kind].values for kind in kinds)]

    log_prob, *values = spread(columns, x, math.lcm(*group_sizes))
    names = tuple(name for name, _ in flow.named_parameters())
    pairs = zip(kinds, values, strict=True)
    return Statistics(log_prob, {kind: LayerNorms(v, names, kind[1]) for kind, v in pairs})


def fitted_scores(detector: StatisticsDetector, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fit a detector on the statistics of the fit half, and score those of all other sets."""
    detector.fit_from_statistics(inputs[FIT])
    return {n: detector.predict_from_statistics(x) for n, x in inputs.items() if n != FIT}


def sampled(flow: Flow, count: int, temperature: float, seed: int) -> Tensor:
    """Samples of a flow as 8-bit images (count, C, H, W); the draw depends on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [
            flow.sample(min(_SAMPLED_AT_ONCE, count - start), temperature)
            for start in range(0, count, _SAMPLED_AT_ONCE)
        ]
    return quantize(torch.cat(parts)).cpu()


def noisy_pixels(images: ImageSet, seed: int) -> Tensor:
    """Dequantised float32 images (N, C, H, W), with the noise with which a set is measured."""
    return dequantize(images.images, seed=noise_seed(images, seed))


def noise_seed(images: ImageSet, seed: int) -> int:
    """No two sets share their noise, or the scores of two sets would depend on each other."""
    return int(digest({"images": images.fingerprint(), "seed": seed})[:12], 16)


def measure_or_load(
    flow: Flow,
    checkpoint: Path,
    images: ImageSet,
    group_sizes: Sequence[int],
    objectives: Sequence[str],
    seed: int,
    workspace: Path,
) -> Statistics:
    """:func:`measure`, kept in ``workspace`` so that a stopped experiment goes on where it was."""
    names = tuple(name for name, _ in flow.named_parameters())
    key = digest(
        {
            "checkpoint": f"{checkpoint.parent.name}/{checkpoint.name}",
            "images": images.fingerprint(),
            "group_sizes": list(group_sizes),
            "objectives": list(objectives),
            "seed": seed,
            "versions": NORM_VERSIONS,
        }
    )
    path = workspace / "statistics" / f"{key[:16]}.safetensors"
    if not path.is_file():
        measured = measure(flow, images, group_sizes, objectives, seed)
        tensors = {f"{o}.{size}": norms.values for (o, size), norms in measured.norms.items()}
        save_tensors(path, {"log_prob": measured.log_prob, **tensors}, {})
    tensors, _ = load_tensors(path)
    norms = {
        (objective, size): LayerNorms(tensors[f"{objective}.{size}"], names, size)
        for objective in objectives
        for size in group_sizes
    }
    return Statistics(tensors["log_prob"], norms)


def measured_checkpoints(
    flow: Flow,
    checkpoints: Mapping[float, Path],
    sets: Mapping[str, ImageSet],
    group_sizes: Sequence[int],
    objectives: Sequence[str],
    seed: int,
    workspace: Path,
) -> Iterator[MeasuredCheckpoint]:
    """Each checkpoint in turn, measured or found measured in ``workspace``.

    The same ``flow`` is loaded with one checkpoint's weights after the other.
    """
    flow = flow.to(choose_device())
    with progress_bar(len(checkpoints) * len(sets), "scoring", "set") as progress:
        for epoch, path in checkpoints.items():
            load_weights(flow, path)
            flow.eval()
            measured = {}
            for name, images in sets.items():
                measured[name] = measure_or_load(
                    flow, path, images, group_sizes, objectives, seed, workspace
                )
                progress.update()
            yield MeasuredCheckpoint(epoch, flow, measured)


def bits_of_sets(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """Mean bits per dimension of each set, with its standard error and number of images."""
    rows = []
    for dataset, measured in checkpoint.statistics.items():
        bits = bits_per_dim(measured.log_prob.double(), checkpoint.flow.dims)
        rows.append(
            {
                "dataset": dataset,
                "images": len(bits),
                "bits_per_dim": bits.mean().item(),
                "standard_error": (bits.std() / len(bits) ** 0.5).item(),
            }
        )
    return pd.DataFrame(rows)
