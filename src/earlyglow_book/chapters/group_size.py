"""What a group of images buys, and what it costs where a group holds both kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import ImageSet, dequantize, halves, load_images
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.statistics import Statistics, noise_seed
from earlyglow.experiments.studies.base import (
    BASE_SOURCE,
    FlowStudy,
    Workbench,
    without_fit,
)
from earlyglow.experiments.summaries import auroc_table, score_rows
from earlyglow.experiments.sweep_tables import compact
from earlyglow.gradients import layer_gradient_norms
from earlyglow.settings import require_whole
from earlyglow.store import Tables

_OBJECTIVE = "log_prob"
_FRESH = "fresh"


@dataclass(frozen=True)
class GroupSize(FlowStudy):
    """Separation of single layers by group size, and groups that hold both kinds of images.

    The ID images of mixed groups are test images that are not scored otherwise, so that mixed and
    pure groups are independent; where the test set holds no more (KMNIST, CelebA), they are shared.

    Attributes:
        group_size: images in a mixed group, one of those that the sweep measured, at least 2.
    """

    name: ClassVar[str] = "group_size"
    version: ClassVar[int] = 2
    source_path: ClassVar[tuple[str, ...]] = (*BASE_SOURCE, "experiments/studies/group_size.py")

    id_dataset: str = "cifar10"
    group_size: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("group_size", self.group_size, 2)
        if self.group_size not in self.sweep.group_sizes:
            allowed = ", ".join(str(size) for size in self.sweep.group_sizes if size > 1)
            raise ValueError(
                f"group_size is {self.group_size}, but at profile {self.profile!r} it must be one "
                f"of {allowed}."
            )

    def settings(self) -> dict[str, object]:
        return {"mixed_group_size": self.group_size}

    def tables(self, bench: Workbench) -> Tables:
        pixels = {
            name: dequantize(images.images, seed=noise_seed(images, self.seed))
            for name, images in {**bench.sets, _FRESH: self._fresh(bench.sets)}.items()
        }
        early, _, last = self.shown_epochs
        mixed, layers = [], []
        for checkpoint in bench.checkpoints():
            layers.append(self._separation(checkpoint))
            if checkpoint.epoch in (early, last):
                mixed.append(self._mixed(checkpoint, pixels))
        return {
            "mixed": compact(pd.concat(mixed, ignore_index=True)),
            "separation": compact(pd.concat(layers, ignore_index=True)),
        }

    def _fresh(self, sets: dict[str, ImageSet]) -> ImageSet:
        """ID test images that are not scored; the scored ones where they make no two groups."""
        test = load_images(self.id_dataset, "test")
        _, evaluate = halves(len(test))
        scored = self.sweep.sizes.eval_images
        rest = evaluate[scored : 2 * scored]
        return test.take(rest) if len(rest) >= 2 * self.group_size else sets[self.id_dataset]

    def _separation(self, checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
        """Median over tensors of the log norms' deviation on the fit half, and of the OOD shift."""
        rows = []
        for size in self.sweep.group_sizes:
            fit = _log_norms(checkpoint.statistics[FIT], size)
            varying = (fit.std(0) > 0) & fit.isfinite().all(0)
            for name, measured in without_fit(checkpoint.statistics).items():
                logs = _log_norms(measured, size)
                known = varying & logs.isfinite().all(0)
                deviation = fit[:, known].std(0)
                shift = (logs[:, known].mean(0) - fit[:, known].mean(0)).abs()
                rows.append(
                    {
                        "epoch": checkpoint.epoch,
                        "group_size": size,
                        "dataset": name,
                        "deviation": deviation.median().item(),
                        "shift": shift.median().item(),
                        "standardised_shift": (shift / deviation).median().item(),
                    }
                )
        return pd.DataFrame(rows)

    def _mixed(self, checkpoint: MeasuredCheckpoint, pixels: dict[str, Tensor]) -> pd.DataFrame:
        size, flow = self.group_size, checkpoint.flow
        gradients = detectors.LayerGradientDetector(flow, size, _OBJECTIVE)
        gradients.fit_from_statistics(checkpoint.statistics[FIT].norms[_OBJECTIVE, size].values)
        likelihood = detectors.LikelihoodDetector(flow, size)
        own = checkpoint.statistics[self.id_dataset]
        pure = {
            "layer_gradients": gradients.predict_from_statistics(
                own.norms[_OBJECTIVE, size].values
            ),
            "likelihood": -detectors.mean_of_groups(own.log_prob, size),
        }
        tables = []
        for count in range(1, size + 1):
            parts = [score_rows(self.id_dataset, s, name, "", size) for name, s in pure.items()]
            for ood in self.ood_datasets:
                groups = mixed_groups(pixels[_FRESH], pixels[ood], size, count)
                norms = layer_gradient_norms(flow, groups, size, objective=_OBJECTIVE)
                scores = gradients.predict_from_statistics(norms.values.cpu())
                parts += [
                    score_rows(ood, scores, "layer_gradients", "", size),
                    score_rows(ood, likelihood.predict(groups), "likelihood", "", size),
                ]
            scores = pd.concat(parts).assign(epoch=checkpoint.epoch)
            tables.append(auroc_table(scores, self.id_dataset).assign(ood_images=count))
        return pd.concat(tables)


def mixed_groups(inside: Tensor, outside: Tensor, size: int, count: int) -> Tensor:
    """Groups of ``size`` images, ``count`` of them OOD, one group after the other.

    Args:
        inside: (N, ...) ID images.
        outside: (M, ...) OOD images.
        size: images in a group.
        count: OOD images in each group, 1 to ``size``.

    Returns:
        (G * size, ...) with as many whole groups as the OOD images allow, and at most as many as
        the ID images alone would make, so that no count has more groups than another for lack of
        ID images.
    """
    groups = min(len(outside) // count, len(inside) // size)
    ood = outside[: groups * count].unflatten(0, (groups, count))
    own = inside[: groups * (size - count)].unflatten(0, (groups, size - count))
    return torch.cat((ood, own), dim=1).flatten(0, 1)


def _log_norms(measured: Statistics, size: int) -> Tensor:
    return measured.norms[_OBJECTIVE, size].values.double().log()
