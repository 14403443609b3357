"""What a group of images buys, and what it costs where a group holds both kinds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.epoch_sweep import EpochSweep, flow_sweep
from earlyglow_book.chapters.tools import aurocs, lines, measuring, pairs, stored, style
from earlyglow_book.deferred import pd, plt, torch
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import Field, IdDataset, Whole, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import PAIR
from earlyglow_book.tables.texts import Texts, formatted, with_interval
from earlyglow_book.titles import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earlyglow.datasets.image_set import ImageSet
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint, Statistics

_OBJECTIVE = "log_prob"
_FRESH = "fresh"


@parameters
class GroupSize(FlowStudy):
    """Separation of single layers by group size, and groups that hold both kinds of images.

    The ID images of mixed groups are test images that are not scored otherwise, so that mixed and
    pure groups are independent; where the test set holds no more (KMNIST, CelebA), they are shared.
    """

    name: ClassVar[str] = "group_size"
    version: ClassVar[int] = 2

    id_dataset: IdDataset = "cifar10"
    group_size: Whole = Field(
        default=5, ge=2, description="Images in a mixed group: 2, 5, 10 or 25 (2 or 5 at smoke)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group_size not in self.run.group_sizes:
            allowed = ", ".join(str(size) for size in self.run.group_sizes if size > 1)
            raise ValueError(
                f"group_size is {self.group_size}, but at profile {self.profile!r} it must be one "
                f"of {allowed}."
            )

    @property
    def sweep(self) -> EpochSweep:
        """The epoch sweep of the same flow."""
        return flow_sweep(self.run)

    def settings(self) -> dict[str, object]:
        return {"mixed_group_size": self.group_size}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        pixels = {
            name: measuring.noisy_pixels(images, self.seed)
            for name, images in {**sets, _FRESH: self._fresh(sets)}.items()
        }
        early, _, last = self.shown_epochs
        mixed, layers = [], []
        for checkpoint in checkpoints:
            layers.append(self._separation(checkpoint))
            if checkpoint.epoch in (early, last):
                mixed.append(self._mixed(checkpoint, pixels))
        return {
            "mixed": stored.joined(mixed),
            "separation": stored.joined(layers),
        }

    def _fresh(self, sets: Sets) -> ImageSet:
        """ID test images that are not scored; the scored ones where they make no two groups."""
        test = eg.load_images(self.id_dataset, "test")
        _, evaluate = eg.halves(len(test))
        scored = self.run.sizes.eval_images
        rest = evaluate[scored : 2 * scored]
        return test.take(rest) if len(rest) >= 2 * self.group_size else sets[self.id_dataset]

    def _separation(self, checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
        """Median over tensors of the log norms' deviation on the fit half, and of the OOD shift."""
        rows = []
        for size in self.run.group_sizes:
            fit = _log_norms(checkpoint.fit, size)
            varying = (fit.std(0) > 0) & fit.isfinite().all(0)
            for name, measured in checkpoint.scored.items():
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

    def _mixed(
        self, checkpoint: MeasuredCheckpoint, pixels: dict[str, torch.Tensor]
    ) -> pd.DataFrame:
        size, flow = self.group_size, checkpoint.flow
        detector, likelihood = checkpoint.gradient_detector(size), eg.LikelihoodDetector(flow, size)
        own = checkpoint.statistics[self.id_dataset]
        tables = []
        for count in range(1, size + 1):
            gradients = {
                self.id_dataset: detector.predict_from_statistics(
                    own.norms[_OBJECTIVE, size].values
                )
            }
            likelihoods = {self.id_dataset: -eg.detectors.mean_of_groups(own.log_prob, size)}
            for ood in self.ood_datasets:
                groups = mixed_groups(pixels[_FRESH], pixels[ood], size, count)
                norms = eg.layer_gradient_norms(flow, groups, size, objective=_OBJECTIVE)
                gradients[ood] = detector.predict_from_statistics(norms.values.cpu())
                likelihoods[ood] = likelihood.predict(groups)
            parts = (
                aurocs.set_rows(gradients, "layer_gradients", "", size),
                aurocs.set_rows(likelihoods, "likelihood", "", size),
            )
            scores = pd.concat(parts).assign(epoch=checkpoint.epoch)
            tables.append(aurocs.auroc_table(scores, self.id_dataset).assign(ood_images=count))
        return pd.concat(tables)


def mixed_groups(
    inside: torch.Tensor, outside: torch.Tensor, size: int, count: int
) -> torch.Tensor:
    """Groups of ``size`` images, ``count`` of them OOD (1 to ``size``), one after the other.

    From (N, ...) ID and (M, ...) OOD images come (G * size, ...): as many whole groups as the OOD
    images allow, and at most as many as the ID images alone would make, so that no count has more
    groups than another for lack of ID images.
    """
    groups = min(len(outside) // count, len(inside) // size)
    ood = outside[: groups * count].unflatten(0, (groups, count))
    own = inside[: groups * (size - count)].unflatten(0, (groups, size - count))
    return torch.cat((ood, own), dim=1).flatten(0, 1)


def _log_norms(measured: Statistics, size: int) -> torch.Tensor:
    return measured.norms[_OBJECTIVE, size].values.double().log()


def aurocs_by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """AUROCs of the gradient score at trained epochs: a row for each pair, a column per size."""
    trained = rows[(rows["detector"] == "layer_gradients") & (rows["epoch"] > 0)]
    keys = [*PAIR, "seed", "epoch"]
    return trained.pivot_table(index=keys, columns="group_size", values="auroc", observed=True)


def words(
    chapter: GroupSize, rows: pd.DataFrame, mixed: pd.DataFrame, separation: pd.DataFrame
) -> Texts:
    """What groups change over all pairs, and why, and what mixed groups cost on one ID set.

    The rows are published AUROCs of the likelihood and of the gradients of log p; the other tables
    are the study's.
    """
    return (
        _of_all_pairs(rows) | _of_mixed_groups(chapter, mixed) | _of_separation(chapter, separation)
    )


def _of_all_pairs(rows: pd.DataFrame) -> Texts:
    first, last = pairs.early_and_late(rows)
    means = pairs.means_over_pairs(rows, ["detector", "epoch", "group_size"])
    means = means.set_index(["detector", "epoch", "group_size"])
    quoted = {
        f"{name}_{size}": ("layer_gradients", epoch, size)
        for size in (1, 5, 25)
        for name, epoch in (("early", first), ("late", last))
    }
    quoted |= {f"likelihood_{size}": ("likelihood", last, size) for size in (1, 25)}
    sizes = aurocs_by_size(rows)
    upside_down = sizes[sizes[1] < 0.5]
    return {
        "cells": f"{len(sizes):,}",
        "share_five": f"{(sizes[5] >= sizes[1]).mean():.1%}",
        "upside_down": f"{len(upside_down):,}",
        **formatted("g", first=first, last=last),
        **{f"righted_{b}": f"{(upside_down[b] > 0.5).mean():.0%}" for b in (5, 25)},
        **{name: with_interval(means.loc[key], "mean") for name, key in quoted.items()},
    }


def _of_separation(chapter: GroupSize, separation: pd.DataFrame) -> Texts:
    """What the largest groups change against single images at the last epoch."""
    at = separation[separation["epoch"] == chapter.shown_epochs[-1]]
    of_size = {size: rows.set_index("dataset") for size, rows in at.groupby("group_size")}
    least, most = of_size[min(of_size)], of_size[max(of_size)]
    shifts = (most["shift"] / least["shift"]).drop(chapter.id_dataset)
    deviations = least["deviation"] / most["deviation"]
    return {
        "deviation_factor": f"{deviations[chapter.id_dataset]:.1f}",
        "shift_factors": f"{shifts.min():.1f} to {shifts.max():.1f}",
    }


def _of_mixed_groups(chapter: GroupSize, mixed: pd.DataFrame) -> Texts:
    size, last = chapter.group_size, chapter.shown_epochs[-1]
    chosen = mixed[(mixed["detector"] == "layer_gradients") & (mixed["epoch"] == last)]
    at = chosen.groupby("ood_images")["auroc"].mean()
    return {
        "size": str(size),
        **formatted(".3f", pure=at[size], one=at[1], most=at[size - 1]),
        "id": title_of(chapter.id_dataset),
    }


def separation_by_group_size(table: pd.DataFrame) -> Figure:
    """Deviation of the log norms of ID groups, and shift of each set's, against the group's size.

    The table is the study's "separation" at one epoch.
    """
    with style.style():
        figure, (left, right) = style.panels(2, height=3.0)
        for name, rows in table.groupby("dataset", observed=True, sort=False):
            line = {"label": title_of(str(name)), **style.line_style(str(name))}
            left.plot(rows["group_size"], rows["shift"], **line)
            right.plot(rows["group_size"], rows["standardised_shift"], **line)
        own = table.drop_duplicates("group_size")
        left.plot(own["group_size"], own["deviation"], color="0.45", lw=4, alpha=0.6, zorder=0)
        left.annotate(
            "deviation on ID",
            (own["group_size"].iloc[0], own["deviation"].iloc[0]),
            textcoords="offset points",
            xytext=(4, 7),
            color="0.3",
        )
        for axis in (left, right):
            lines.ticks_at_values(axis, table["group_size"], logarithmic=True)
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(plt.LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_xlabel("images in a group")
        left.set_ylabel("log norm, median over tensors")
        left.set_title("shift from the fit half")
        right.set_ylabel("deviations")
        right.set_title("shift over deviation")
        style.legend(figure, [left, right])
    return figure
