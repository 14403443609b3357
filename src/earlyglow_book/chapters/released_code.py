"""What the released code computes against what the paper says, one difference at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow.training.config import TrainingConfig
from earlyglow_book.chapters.tools import aurocs, changes, measuring, pairs, stored
from earlyglow_book.deferred import pd, stats, torch
from earlyglow_book.flow_runs.flows import FlowSpec
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.run import trained_otherwise
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import PAIR, SETS
from earlyglow_book.tables.texts import Texts, from_to, with_interval

if TYPE_CHECKING:
    from earlyglow.detectors import Guard
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint

    # Pixels, squared norms or scores by set.
    BySet = dict[str, torch.Tensor]

GROUP_SIZES = (1, 5)
OURS = "as the paper says"


@dataclass(frozen=True)
class _Variant:
    """One way to fit and to score."""

    objective: str = "log_prob"
    guard: Guard = "drop"
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


@parameters
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

    id_dataset: IdDataset = "cifar10"

    def settings(self) -> dict[str, object]:
        return {"compared_group_sizes": list(GROUP_SIZES)}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        scores: dict[float, dict[tuple[str, int], BySet]] = {}
        for checkpoint in checkpoints:
            if checkpoint.epoch in self.shown_epochs:
                scores[checkpoint.epoch] = self._variants(checkpoint)
        if self.model == "dense_glow":
            for label, spec, config, pixels in self._retrained_variants(sets):
                for epoch, flow, by_size in self._retrained(spec, config, pixels, workspace):
                    for size, norms in by_size.items():
                        scores[epoch][label, size] = self._scores(flow, norms, _Variant(), size)
        rows = [
            row
            for epoch, by_variant in scores.items()
            for (variant, size), of_sets in by_variant.items()
            for row in self._rows(epoch, variant, size, of_sets, by_variant[OURS, size])
        ]
        return {"effects": stored.compact(pd.DataFrame(rows)).astype({"variant": "category"})}

    def _variants(self, checkpoint: MeasuredCheckpoint) -> dict[tuple[str, int], BySet]:
        return {
            (label, size): self._scores(
                checkpoint.flow, checkpoint.norms(variant.objective, size), variant, size
            )
            for label, variant in _VARIANTS.items()
            for size in GROUP_SIZES
        }

    def _scores(self, flow: eg.Flow, norms: BySet, variant: _Variant, size: int) -> BySet:
        """Scores from the norms of the fit half and of the scored sets."""
        norms = dict(norms)
        if variant.overlapping:
            norms[FIT] = torch.cat((norms[FIT], norms[self.id_dataset]))
        detector = eg.LayerGradientDetector(flow, size, variant.objective, guard=variant.guard)
        if variant.by_module:
            detector.names, columns = _modules(detector.names)
            norms = {name: values @ columns.to(values) for name, values in norms.items()}
        return {n: scores.cpu() for n, scores in measuring.fitted_scores(detector, norms).items()}

    def _retrained_variants(
        self, sets: Sets
    ) -> Iterator[tuple[str, FlowSpec, TrainingConfig, BySet]]:
        """Flows that are trained otherwise: name, flow, training, and the images to score."""
        spec, config = self.run.spec, self.run.training
        config = replace(config, epochs=tuple(dict.fromkeys(self.shown_epochs)))
        released = replace(spec, sizes={**spec.sizes, "initialisation": "released"})
        noisy = {name: measuring.noisy_pixels(images, self.seed) for name, images in sets.items()}
        silent = {name: eg.datasets.centre(images.images) for name, images in sets.items()}
        yield "released initialisation", released, config, noisy
        yield "no dequantisation", spec, replace(config, noise="none"), silent

    def _retrained(
        self, spec: FlowSpec, config: TrainingConfig, pixels: BySet, workspace: Path
    ) -> Iterator[tuple[float, eg.Flow, dict[int, BySet]]]:
        """Epoch, flow, and norms of every set by group size."""
        images, device = eg.load_images(self.id_dataset, "train"), eg.training.choose_device()
        for epoch, flow in trained_otherwise(spec, config, images, workspace):
            norms: dict[int, BySet] = {size: {} for size in GROUP_SIZES}
            for name, x in pixels.items():
                found = eg.gradients.layer_gradient_norms_by_group(flow, x.to(device), GROUP_SIZES)
                for size in GROUP_SIZES:
                    norms[size][name] = found[size].values.cpu()
            yield epoch, flow, norms

    def _rows(
        self, epoch: float, variant: str, size: int, scores: BySet, ours: BySet
    ) -> Iterator[dict[str, object]]:
        own = self.id_dataset
        for ood in self.ood_datasets:
            change = changes.auroc_change(ours[own], ours[ood], scores[own], scores[ood])
            yield {
                "epoch": epoch,
                "variant": variant,
                "group_size": size,
                "ood": ood,
                **aurocs.auroc_columns(scores[own], scores[ood]),
                "change": change.value,
                "change_low": change.low,
                "change_high": change.high,
            }


def _modules(names: tuple[str, ...]) -> tuple[tuple[str, ...], torch.Tensor]:
    """The modules that hold the tensors, and a matrix (L, modules) that adds their norms up."""
    owners = [name.rpartition(".")[0] for name in names]
    modules = tuple(dict.fromkeys(owners))
    columns = torch.zeros(len(names), len(modules))
    columns[range(len(names)), [modules.index(owner) for owner in owners]] = 1
    return modules, columns


# Of the Glow that made the tables.
RELEASED_GLOW_PARAMETERS = 44_235_312
_SETS = ("cifar10", "svhn", "celeba", "gtsrb", "imagenet32")
# Rows are ID sets and columns OOD sets, both in the order above.
_AUROC = {
    (1, 1): """
        -     .9013 .3451 .6582 .4932
        .9695 -     .9952 .8454 .9810
        .9135 .9934 -     .9435 .8899
        .4710 .7748 .3856 -     .5242
        .8252 .7492 .8887 .8941 -""",
    (1, 10): """
        -     .8794 .3775 .6310 .5537
        .9765 -     .9853 .9497 .9778
        .9320 .9844 -     .9386 .9457
        .6264 .7213 .4624 -     .7052
        .9280 .8850 .9435 .9472 -""",
    (5, 1): """
        -     .9997 .7728 .7848 .5784
        1.000 -     1.000 .9978 1.000
        .9999 1.000 -     1.000 .9983
        .9181 .9950 .9460 -     .9481
        .9748 .9550 .9992 .9969 -""",
    (5, 10): """
        -     1.000 .8868 .8750 .7847
        1.000 -     1.000 1.000 1.000
        .9999 1.000 -     .9999 .9998
        .9577 .9810 .9324 -     .9825
        .9999 1.000 1.000 1.000 -""",
}


def released_aurocs() -> pd.DataFrame:
    """The released code's table: columns id_dataset, ood, group_size, epoch, auroc."""
    rows = [
        (own, ood, size, epoch, float(number))
        for (size, epoch), text in _AUROC.items()
        for own, line in zip(_SETS, text.split("\n")[1:], strict=True)
        for ood, number in zip(_SETS, line.split(), strict=True)
        if number != "-"
    ]
    return pd.DataFrame(rows, columns=[*SETS, "group_size", "epoch", "auroc"])


_KEYS = {
    "gradient of Σ z": "sum_z",
    "guards of 1e-10": "guards",
    "fit set holds the scored images": "overlap",
    "one Gaussian per module": "module",
    "these three together": "all",
    "released initialisation": "start",
    "no dequantisation": "silent",
}


def beside_released(sweeps: pd.DataFrame) -> pd.DataFrame:
    """The released table after one epoch beside published sweeps, for the pairs that both have.

    Columns group_size, id_dataset, ood, released, ours.
    """
    keys = [*SETS, "group_size"]
    ours = sweeps[
        (sweeps["detector"] == "layer_gradients")
        & (sweeps["objective"] == "sum_z")
        & (sweeps["epoch"] == 1)
    ]
    means = ours.groupby(keys, observed=True)["auroc"].mean().rename("ours").reset_index()
    released = released_aurocs().query("epoch == 1").drop(columns="epoch")
    return released.merge(means, on=keys).rename(columns={"auroc": "released"})


def words(effects: pd.DataFrame, beside: pd.DataFrame) -> Texts:
    """Mean effects and their ranges over the pairs at the last epoch, single images.

    From published changes of every variant, and :func:`beside_released`.
    """
    _, last = pairs.early_and_late(effects)
    late = effects[(effects["epoch"] == last) & (effects["group_size"] == 1)]
    means = pairs.means_over_pairs(late, ["variant"], "change").set_index("variant")
    texts = {"last": f"{last:g}"}
    for variant, name in _KEYS.items():
        change = late[late["variant"] == variant].groupby(PAIR)["change"].mean()
        texts[f"effect_{name}"] = with_interval(means.loc[variant], "mean")
        texts[f"range_{name}"] = from_to(change)
        texts[f"size_{name}"] = f"{change.abs().mean():.3f}"
    for name, variant in (("pairs", "these three together"), ("dense_pairs", "no dequantisation")):
        texts[name] = str(int(means.loc[variant, "pairs"]))
    return texts | _agreement(beside)


def _agreement(beside: pd.DataFrame) -> Texts:
    size = ReleasedCode(id_dataset="cifar10").run.spec.count_parameters()
    texts = {
        "ratio": f"{RELEASED_GLOW_PARAMETERS / size:.0f}",
        "compared": str((beside["group_size"] == 1).sum()),
    }
    for b, part in beside.groupby("group_size"):
        texts[f"agreement_{b}"] = f"{stats.spearmanr(part['released'], part['ours']).statistic:.2f}"
    return texts
