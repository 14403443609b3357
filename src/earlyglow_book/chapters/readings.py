"""Other readings of the same gradients, and a control without any flow, as the plan has them.

``table``, ``curve`` and ``plane`` are the tables "readings", "curve" and "plane".
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import (
    aurocs,
    image_changes,
    intervals,
    lines,
    measuring,
    reading,
    stored,
    style,
)
from earlyglow_book.deferred import np, pd, torch
from earlyglow_book.flow_runs.plan_study import GROUP_SIZES, PlanStudy
from earlyglow_book.flow_runs.protocol import EARLY_IMAGES, FIT
from earlyglow_book.flow_runs.study import Checkpoints, FlowProfile, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Result, Tables
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import detector_title, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint, Statistics

_TRAINING = "training images"
_TRAINING_IMAGES = 500
_MADE_IMAGES = 250
_TAIL = 1.5
MADE = ("blurred", "noisy", "patches shuffled")
# Profiles whose flows are asked whether a smaller step gains more.
_COOLED = ("long", "wide", "smoke")


@parameters
class Readings(PlanStudy):
    """Every reading of the norms, and the control, at each checkpoint of one flow."""

    name: ClassVar[str] = "readings"
    version: ClassVar[int] = 1

    id_dataset: IdDataset = "celeba"
    profile: FlowProfile = "paper_short"

    def settings(self) -> dict[str, Any]:
        settings = {"training_images": _TRAINING_IMAGES, "made_images": _MADE_IMAGES, "tail": _TAIL}
        return settings | ({"cooled": True} if self.profile in _COOLED else {})

    def sets_to_measure(self) -> Sets:
        """The usual sets, some training images, and OOD images made of others of those."""
        training = self.run.training_images()
        chosen = training.take(eg.subset(len(training), _TRAINING_IMAGES + _MADE_IMAGES))
        # A small set is divided in two.
        first = _TRAINING_IMAGES if len(chosen) > _TRAINING_IMAGES else len(chosen) // 2
        rest = torch.arange(first, len(chosen))
        return (
            super().sets_to_measure()
            | {_TRAINING: chosen.take(torch.arange(first))}
            | made_of(chosen.take(rest).images)
        )

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        pictures = reading.picture_statistics({name: sets[name] for name in (FIT, *self.scored)})
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        for checkpoint in checkpoints:
            for name, table in self.read(checkpoint, pictures).items():
                parts[name].append(table.assign(epoch=checkpoint.epoch))
        if self.profile in _COOLED:
            # The last checkpoint is there, or there were nothing to read.
            flow = self.run.cooled(self.run.train(workspace), workspace)
            pixels = measuring.noisy_pixels(sets[FIT], self.seed)
            parts["cooled"].append(
                reading.bits_table(eg.detectors.mean_log_prob(flow, pixels), flow.dims)
            )
        return stored.joined_parts(parts)

    def read(self, checkpoint: MeasuredCheckpoint, pictures: dict[str, torch.Tensor]) -> Tables:
        """All tables of one checkpoint; ``pictures`` are the control's statistics of each set."""
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        own = self.id_dataset
        for size in GROUP_SIZES:
            by_objective = {"": reading.likelihood_scores(checkpoint, self.scored, size)}
            by_objective[""] |= reading.control_scores(pictures, size)
            for objective in self.run.objectives:
                found = reading.scores_of(checkpoint, self.scored, size, objective)
                by_objective[objective], dropped = found
                row = {"objective": objective, "group_size": size, "tensors": ", ".join(dropped)}
                parts["left_out"].append(pd.DataFrame([row]))
            for objective, scores in by_objective.items():
                parts["readings"].append(reading.auroc_rows(scores, objective, size, own))
                parts["histograms"].append(reading.histogram_rows(scores, objective, size, own))
        tails = self._tails(checkpoint)
        for objective in self.run.objectives:
            pseudo = {name: checkpoint.statistics[name] for name in MADE} | tails
            rows = reading.id_only_rows(checkpoint, objective, _TRAINING, own, pseudo)
            parts["id_only"].append(rows.assign(objective=objective))
            curve = reading.residual_curve(checkpoint, self.scored, objective, own)
            parts["curve"].append(curve.assign(objective=objective))
        pair = (own, self.ood_datasets[0])
        parts["bits"].append(measuring.bits_of_sets(checkpoint))
        parts["fit_bits"].append(reading.bits_table(checkpoint.fit.log_prob, checkpoint.flow.dims))
        parts["plane"].append(reading.plane_rows(checkpoint, pair, self.run.objectives[0]))
        return stored.joined_parts(parts)

    def _tails(self, checkpoint: MeasuredCheckpoint) -> dict[str, Statistics]:
        """What is measured of images decoded from latents too far out, if the flow decodes them."""
        flow, seed = checkpoint.flow, self.seed
        images = image_changes.as_image_set(measuring.sampled(flow, _MADE_IMAGES, _TAIL, seed))
        measured = measuring.measure(flow, images, (1,), self.run.objectives, seed)
        return {"latent tails": measured}


_ID_AND_OOD = ("0.25", "tab:orange")
# What the figures show of the readings, in this order.
_SHOWN = ("layer_gradients", "residual", "covariance", "neighbours", "likelihood", "typicality")


def means_over_sets(table: pd.DataFrame, size: int = 1, control: bool = False) -> pd.DataFrame:
    """Mean AUROC over the OOD sets, with or without the control: columns epoch, reading, auroc."""
    names = (*_SHOWN, "no_flow") if control else _SHOWN
    chosen = aurocs.of_log_prob(table, size)
    chosen = chosen[chosen["detector"].isin(names)]
    means = chosen.groupby(["detector", "objective", "epoch"], observed=True)["auroc"].mean()
    rows = means.reset_index()
    pairs = zip(rows["detector"], rows["objective"], strict=True)
    return rows.assign(reading=[detector_title(*pair) for pair in pairs])


def over_epochs_with_control(table: pd.DataFrame) -> Figure:
    """Mean AUROC of each reading and of the control against the epoch, images and groups."""
    panels = {
        "single images": means_over_sets(table, 1, control=True),
        "groups of five": means_over_sets(table, 5, control=True),
    }
    label = "mean AUROC over the OOD sets"
    return lines.line_panels(panels, "epoch", "auroc", "reading", style.epoch_axis, label, 3.6)


def removed_axes(curve: pd.DataFrame, epochs: tuple[float, ...]) -> Figure:
    """Mean AUROC of single images by how many leading axes are removed, a line for each epoch."""
    of_log_prob = curve[curve["objective"] == "log_prob"]
    means = of_log_prob.groupby(["epoch", "axes"])["auroc"].mean().reset_index(name="mean")
    rows = intervals.by_epoch(means, epochs)
    axis = lines.ticked("leading axes removed", logarithmic=False)
    return lines.line_panels({"": rows}, "axes", "mean", "when", axis, "mean AUROC", 3.0)


def on_two_axes(plane: pd.DataFrame, epochs: tuple[float, ...]) -> Figure:
    """Where images lie on the fit images' two leading axes, and how far off them, by epoch."""
    with style.style():
        figure, axes = style.panels(len(epochs), height=3.4, share_y=True)
        for axis, epoch in zip(axes, epochs, strict=True):
            rows = plane[plane["epoch"] == epoch]
            for name, colour in zip(rows["dataset"].unique(), _ID_AND_OOD, strict=True):
                points = rows[rows["dataset"] == name]
                along = np.hypot(points["first"], points["second"])
                label = title_of(str(name))
                axis.scatter(along, points["off"], s=8, alpha=0.6, color=colour, label=label)
            axis.set_xscale("log")
            style.plain_decades(axis)
            axis.set_title(f"epoch {epoch:g}")
            axis.set_xlabel("distance along the two axes")
        axes[0].set_ylabel("distance off them")
        style.legend(figure, axes)
    return figure


def words(chapter: Readings, tables: Tables) -> Texts:
    """Means over the OOD sets at the first trained epoch, the early one and the last, and bits."""
    epochs = sorted(tables["bits"]["epoch"].unique())
    late = epochs[-1]
    size = chapter.run.sizes.images_per_epoch or 0
    trained = (epoch for epoch in epochs if epoch > 0)
    early = min(trained, key=lambda epoch: abs(epoch * size - EARLY_IMAGES))
    means = means_over_sets(tables["readings"], control=True)
    by_reading = means.pivot(index="detector", columns="epoch", values="auroc")
    bits = tables["id_only"].query("objective == 'log_prob'")
    bits = bits.pivot(index="statistic", columns="epoch", values="value")
    neighbours, paper = by_reading.loc["neighbours"], by_reading.loc["layer_gradients"]
    no_flow = by_reading.loc["no_flow"]
    texts = {
        "id": title_of(chapter.id_dataset),
        "sets": str(len(chapter.ood_datasets)),
        "epoch_images": f"{size:,}",
        "early": f"{early:g}",
        "late": f"{late:g}",
        "early_images": f"{early * size:,.0f}",
        "late_images": f"{late * size:,.0f}",
        "no_flow": f"{no_flow[late]:.3f}",
        "gain": f"{neighbours[late] - paper[late]:+.3f}",
        "share_start": f"{neighbours[epochs[0]] - no_flow[late]:+.3f}",
        "share_early": f"{neighbours[early] - no_flow[early]:+.3f}",
        "share_late": f"{neighbours[late] - no_flow[late]:+.3f}",
        "paper_share_late": f"{paper[late] - no_flow[late]:+.3f}",
    }
    for name, epoch in (("start", epochs[0]), ("early", early), ("late", late)):
        for reading_name in ("layer_gradients", "neighbours", "residual", "likelihood"):
            texts[f"{reading_name}_{name}"] = f"{by_reading.loc[reading_name, epoch]:.3f}"
        texts[f"bits_{name}"] = f"{bits.loc['bits_eval', epoch]:.2f}"
        texts[f"training_bits_{name}"] = f"{bits.loc['bits_train', epoch]:.2f}"
        texts[f"apart_{name}"] = f"{bits.loc['p_value_distance', epoch]:.2f}"
    return texts


def float32_error(result: Result) -> str:
    """How far the last checkpoint's log norms are off, a sentence, where that was measured."""
    errors = result.manifest["facts"].get("log_norm_errors")
    if errors is None:
        return "Their norms were not computed again in float64."
    of_norms = errors["float32"]
    return (
        "Against float64, the last checkpoint's log norms of a few images are off by "
        f"{of_norms['median']:.2g} (median) and {of_norms['99%']:.2g} (99 of 100)."
    )


def made_of(images: torch.Tensor) -> dict[str, ImageSet]:
    """OOD images made of ID images (N, C, H, W), by the names of ``MADE``."""
    changed = (
        image_changes.blurred(images),
        image_changes.noisy(images),
        image_changes.shuffled_patches(images),
    )
    return dict(zip(MADE, map(image_changes.as_image_set, changed), strict=True))
