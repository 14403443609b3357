"""Every detector of the book on the same images at an early, a middle and the last epoch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, get_args

import earlyglow as eg
from earlyglow_book.chapters.epoch_sweep import detector_rows
from earlyglow_book.chapters.tools import aurocs, measuring, pairs, stored, style
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import PAIR
from earlyglow_book.tables.texts import Texts, with_interval
from earlyglow_book.titles import detector_title, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint

GROUP_SIZES = (1, 5)
# Rao's score needs a whole gradient for each image, ten times the price of its layers' norms.
_RAO_IMAGES = 250


@parameters
class LikelihoodParadox(FlowStudy):
    """Likelihood, typicality, input complexity, and five ways to score gradients.

    The table "complexity" has the mean length of each set's PNG files in bits per dimension.
    """

    name: ClassVar[str] = "likelihood_paradox"
    version: ClassVar[int] = 2

    def settings(self) -> dict[str, object]:
        return {"group_sizes": list(GROUP_SIZES), "rao": _RAO_IMAGES}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        lengths = {
            (name, compressor): eg.detectors.compressed_bits(
                eg.dequantize(images.images), compressor
            )
            for name, images in sets.items()
            for compressor in get_args(eg.detectors.Compressor)
        }
        scores = []
        for checkpoint in checkpoints:
            if checkpoint.epoch not in self.shown_epochs:
                continue
            parts = [
                *_scores_of_measured(checkpoint, lengths),
                *self._rao_scores(checkpoint.flow, sets),
            ]
            scores += [part.assign(epoch=checkpoint.epoch) for part in parts]
        complexity = [
            {"dataset": name, "png_bits": lengths[name, "png"].mean().item() / of_set[0].numel()}
            for name, of_set in ((n, s.images) for n, s in sets.items())
            if name != FIT
        ]
        return {
            "aurocs": stored.compact(aurocs.auroc_table(pd.concat(scores), self.id_dataset)),
            "complexity": stored.compact(pd.DataFrame(complexity)),
        }

    def _rao_scores(self, flow: eg.Flow, sets: Sets) -> Iterator[pd.DataFrame]:
        detector = eg.RaoDetector(flow).fit(self._few(sets[FIT]))
        for name, images in sets.items():
            if name != FIT:
                scores = detector.predict(self._few(images))
                yield aurocs.score_rows(name, scores, "rao", "log_prob")

    def _few(self, images: ImageSet) -> torch.Tensor:
        """The first images, with the noise with which the sweep measured them."""
        seed = measuring.noise_seed(images, self.seed)
        return eg.dequantize(images.images[:_RAO_IMAGES], seed=seed)


def _scores_of_measured(
    checkpoint: MeasuredCheckpoint, lengths: dict[tuple[str, eg.detectors.Compressor], torch.Tensor]
) -> Iterator[pd.DataFrame]:
    """Scores that need no more than what was measured and the images' compressed lengths."""
    flow = checkpoint.flow
    for size in GROUP_SIZES:
        for name, objective, detector in (
            ("layer_gradients", "log_prob", eg.LayerGradientDetector(flow, size)),
            ("layer_gradients", "sum_z", eg.LayerGradientDetector(flow, size)),
            ("layer_density", "log_prob", eg.LayerDensityDetector(flow, size)),
            ("total_norm", "log_prob", eg.TotalNormDetector(flow, size)),
            ("likelihood", "", eg.LikelihoodDetector(flow, size)),
            ("typicality", "", eg.TypicalityDetector(flow, size)),
        ):
            yield detector_rows(checkpoint, detector, name, objective, size)
        for dataset, measured in checkpoint.scored.items():
            bits = eg.bits_per_dim(measured.log_prob.double().cpu(), flow.dims) * flow.dims
            for compressor in get_args(eg.detectors.Compressor):
                excess = eg.detectors.mean_of_groups(bits - lengths[dataset, compressor], size)
                yield aurocs.score_rows(dataset, excess, "input_complexity", compressor, size)


def words(rows: pd.DataFrame, complexity: pd.DataFrame) -> Texts:
    """Means and gains over all published pairs of single images, at the last epoch."""
    _, last = pairs.early_and_late(rows)
    at_end = rows[rows["epoch"] == last]
    means = pairs.means_over_pairs(at_end, ["detector", "objective"])
    means = means.set_index(["detector", "objective"])
    best = means["mean"].idxmax()
    quoted = {
        "mean_likelihood": ("likelihood", ""),
        "mean_gradients": ("layer_gradients", "log_prob"),
        "mean_best_value": best,
        "mean_rao": ("rao", "log_prob"),
    }
    return {
        "pairs": str(int(means["pairs"].max())),
        "last": f"{last:g}",
        "best": detector_title(*best),
        **{name: with_interval(means.loc[key], "mean") for name, key in quoted.items()},
        **_gains(aurocs_by_detector(at_end), complexity),
    }


def aurocs_by_detector(rows: pd.DataFrame) -> pd.DataFrame:
    """AUROCs of one epoch: a row for each pair, a column for each detector, without ``sum_z``."""
    ours = rows[rows["objective"].isin(["", "log_prob"])]
    return ours.pivot_table(index=PAIR, columns="detector", values="auroc", observed=True)


def _gains(table: pd.DataFrame, complexity: pd.DataFrame) -> Texts:
    gradients = table["layer_gradients"]
    gain = gradients - table["likelihood"]
    over_typicality = gradients - table["typicality"]
    models = gain.index.get_level_values("model")
    simpler, others = (gain.loc[part] for part in pairs.pairs_by_complexity(gain.index, complexity))
    parts = {
        "gain": gain,
        "gain_glow": gain[models == "glow"],
        "gain_dense": gain[models == "dense_glow"],
        "gain_simpler": simpler,
        "gain_others": others,
        "gain_typicality": over_typicality,
        "typicality_simpler": over_typicality.loc[simpler.index],
        "layers_gain": gradients - table["total_norm"],
        "density_gain": table["layer_density"] - gradients,
    }
    return {name: pairs.mean_and_pairs(part) for name, part in parts.items()}


def two_detectors(table: pd.DataFrame, x: str, y: str) -> Figure:
    """AUROC of detector y against that of detector x, one dot per pair of sets.

    The table is that of :func:`aurocs_by_detector`; x has no objective, and y that of log p.
    """
    with style.style():
        figure, (axis,) = style.panels(1, height=4.2)
        for i, (name, rows) in enumerate(table.groupby(level=0, sort=False)):
            line = {**style.look("", i), "ls": "none", "ms": 6}
            line["fillstyle"] = "full" if i < len(style.MARKERS) else "none"
            axis.plot(rows[x], rows[y], label=f"ID: {title_of(str(name))}", **line)
        axis.plot([0, 1], [0, 1], color="0.5", lw=1, ls=":")
        axis.axvline(0.5, color="0.8", lw=1, zorder=0)
        axis.axhline(0.5, color="0.8", lw=1, zorder=0)
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axis.set_xlabel(f"AUROC of {detector_title(x, '')}")
        axis.set_ylabel(f"AUROC of {detector_title(y, 'log_prob')}")
        figure.legend(loc="outside right center")
    return figure
