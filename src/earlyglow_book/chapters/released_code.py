"""What the released code computes against what the paper says, one difference at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import ImageSet, dequantize, load_images
from earlyglow.datasets.dequantization import centre
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.paired import auroc_change
from earlyglow.experiments.statistics import noise_seed
from earlyglow.experiments.studies.base import BASE_SOURCE, FlowStudy, Workbench
from earlyglow.experiments.sweep_tables import compact
from earlyglow.experiments.trained_flows import FlowSpec
from earlyglow.flows import Flow
from earlyglow.gradients import layer_gradient_norms_by_group
from earlyglow.metrics import auroc, auroc_interval
from earlyglow.store import Tables
from earlyglow.training import TrainingConfig, choose_device

GROUP_SIZES = (1, 5)
OURS = "as the paper says"
Scores = dict[str, Tensor]
# Squared norms by set, objective and group size.
Norms = Mapping[tuple[str, str, int], Tensor]


@dataclass(frozen=True)
class _Variant:
    """One way to fit and to score."""

    objective: str = "log_prob"
    guard: detectors.Guard = "drop"
    overlapping: bool = False
    by_module: bool = False


_VARIANTS = {
    OURS: _Variant(),
    "gradient of Σ z": _Variant(objective="sum_z"),
    "guards of 1e-10": _Variant(guard="epsilon"),
    "fit set holds the scored images": _Variant(overlapping=True),
    "these three together": _Variant("sum_z", "epsilon", overlapping=True),
    "one Gaussian per module": _Variant(by_module=True),
}


@dataclass(frozen=True)
class ReleasedCode(FlowStudy):
    """The effect on the AUROC of each difference between the paper and the released code.

    The overlapping fit set here is half scored images; of the released code's it is 1,000 of all
    test images.

    "one Gaussian per module" goes the other way: the released code (and this book) fits one for
    each parameter tensor, while "layer" may mean weights and biases together. For "dense_glow" two
    more flows are trained: from the released initialisation, and without dequantisation.
    """

    name: ClassVar[str] = "released_code"
    version: ClassVar[int] = 2
    source_path: ClassVar[tuple[str, ...]] = (
        *BASE_SOURCE,
        "experiments/paired.py",
        "experiments/studies/released_code.py",
    )

    id_dataset: str = "cifar10"

    def settings(self) -> dict[str, object]:
        return {"compared_group_sizes": list(GROUP_SIZES)}

    def tables(self, bench: Workbench) -> Tables:
        scores: dict[float, dict[tuple[str, int], Scores]] = {}
        for checkpoint in bench.checkpoints():
            if checkpoint.epoch in self.shown_epochs:
                scores[checkpoint.epoch] = self._variants(checkpoint)
        if self.model == "dense_glow":
            for label, spec, config, pixels in self._retrained_variants(bench.sets):
                for epoch, flow, norms in self._retrained(spec, config, pixels, bench):
                    for size in GROUP_SIZES:
                        scores[epoch][label, size] = self._scores(flow, norms, _Variant(), size)
        rows = [
            row
            for epoch, by_variant in scores.items()
            for (variant, size), of_sets in by_variant.items()
            for row in self._rows(epoch, variant, size, of_sets, by_variant[OURS, size])
        ]
        return {"effects": compact(pd.DataFrame(rows)).astype({"variant": "category"})}

    def _variants(self, checkpoint: MeasuredCheckpoint) -> dict[tuple[str, int], Scores]:
        norms = {
            (name, objective, size): of_set.values
            for name, measured in checkpoint.statistics.items()
            for (objective, size), of_set in measured.norms.items()
        }
        return {
            (label, size): self._scores(checkpoint.flow, norms, variant, size)
            for label, variant in _VARIANTS.items()
            for size in GROUP_SIZES
        }

    def _scores(self, flow: Flow, norms: Norms, variant: _Variant, size: int) -> Scores:
        names = (self.id_dataset, *self.ood_datasets)
        fit = norms[FIT, variant.objective, size]
        of_sets = {name: norms[name, variant.objective, size] for name in names}
        if variant.overlapping:
            fit = torch.cat((fit, of_sets[self.id_dataset]))
        detector = detectors.LayerGradientDetector(
            flow, size, variant.objective, guard=variant.guard
        )
        if variant.by_module:
            detector.names, columns = _modules(detector.names)
            fit = fit @ columns.to(fit)
            of_sets = {name: values @ columns.to(values) for name, values in of_sets.items()}
        detector.fit_from_statistics(fit)
        return {name: detector.predict_from_statistics(v).cpu() for name, v in of_sets.items()}

    def _retrained_variants(
        self, sets: dict[str, ImageSet]
    ) -> Iterator[tuple[str, FlowSpec, TrainingConfig, Scores]]:
        """Flows that are trained otherwise: name, flow, training, and the images to score."""
        spec, config = self.sweep.flow, self.sweep.training
        config = replace(config, epochs=tuple(dict.fromkeys(self.shown_epochs)))
        released = replace(spec, sizes={**spec.sizes, "initialisation": "released"})
        noisy = {
            name: dequantize(images.images, seed=noise_seed(images, self.seed))
            for name, images in sets.items()
        }
        silent = {name: centre(images.images) for name, images in sets.items()}
        yield "released initialisation", released, config, noisy
        yield "no dequantisation", spec, replace(config, noise="none"), silent

    def _retrained(
        self, spec: FlowSpec, config: TrainingConfig, pixels: Scores, bench: Workbench
    ) -> Iterator[tuple[float, Flow, Norms]]:
        images = load_images(self.id_dataset, "train")
        for epoch, flow in bench.retrained(spec, config, images):
            norms = {}
            for name, x in pixels.items():
                by_size = layer_gradient_norms_by_group(flow, x.to(choose_device()), GROUP_SIZES)
                for size, found in by_size.items():
                    norms[name, "log_prob", size] = found.values.cpu()
            yield epoch, flow, norms

    def _rows(
        self, epoch: float, variant: str, size: int, scores: Scores, ours: Scores
    ) -> Iterator[dict[str, object]]:
        own = self.id_dataset
        for ood in self.ood_datasets:
            low, high = auroc_interval(scores[own], scores[ood])
            change = auroc_change(ours[own], ours[ood], scores[own], scores[ood])
            yield {
                "epoch": epoch,
                "variant": variant,
                "group_size": size,
                "ood": ood,
                "n_id": len(scores[own]),
                "n_ood": len(scores[ood]),
                "auroc": auroc(scores[own], scores[ood]),
                "low": low,
                "high": high,
                "change": change.value,
                "change_low": change.low,
                "change_high": change.high,
            }


def _modules(names: tuple[str, ...]) -> tuple[tuple[str, ...], Tensor]:
    """The modules that hold the tensors, and a matrix (L, modules) that adds their norms up."""
    owners = [name.rpartition(".")[0] for name in names]
    modules = tuple(dict.fromkeys(owners))
    columns = torch.zeros(len(names), len(modules))
    columns[range(len(names)), [modules.index(owner) for owner in owners]] = 1
    return modules, columns
