"""Every checkpoint of every long sweep to look at: where the page's moving pictures begin.

``tables`` are those of the chapter's own sweep, ``rows`` the readings of all flows of its profile
with their flow in front, as :func:`read_rows` gives them.
"""

from __future__ import annotations

import html
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import earlyglow as eg
from earlyglow.checks import unknown
from earlyglow_book.chapters.explorer.scripts import GROUP_SIZES, READINGS, checkpoint_title
from earlyglow_book.chapters.readings import Readings
from earlyglow_book.chapters.tools import aurocs, heatmaps, published_rows
from earlyglow_book.deferred import Deferred, pd
from earlyglow_book.experiment import Chapter, result_of
from earlyglow_book.flow_runs.profiles import ProfileName
from earlyglow_book.flow_runs.protocol import EARLY_IMAGES
from earlyglow_book.flow_runs.study import FlowModel
from earlyglow_book.parameters import DatasetName, Field, Seed, Whole, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.texts import Texts, with_interval
from earlyglow_book.titles import detector_title, title_of

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.figure import Figure

    from earlyglow_book.chapters.explorer import pictures
else:
    pictures = Deferred("earlyglow_book.chapters.explorer.pictures")

ReadingName = Literal[
    "layer_gradients log_prob",
    "layer_gradients sum_z",
    "residual log_prob",
    "covariance log_prob",
    "neighbours log_prob",
    "likelihood",
    "typicality",
    "no_flow",
]


@parameters
class Explorer(Chapter):
    """One pair of sets under one flow and one reading: what the page shows first."""

    name: ClassVar[str] = "explorer"

    id_dataset: DatasetName = Field(
        default="celeba", description="The ID set, which needs training images."
    )
    ood_dataset: str = Field(
        default="", description="The OOD set; empty for the first that is usually tried."
    )
    reading: ReadingName = Field(
        default="layer_gradients log_prob", description="A score and what it differentiates."
    )
    group_size: Whole = Field(default=1, description="Images in a group: 1 or 5.")
    profile: ProfileName = Field(
        default="long", description="Sizes: seconds, minutes, hours, or a GPU."
    )
    seed: Seed = 0
    model: FlowModel = "glow"

    def __post_init__(self) -> None:
        if self.group_size not in GROUP_SIZES:
            raise ValueError(f"group_size is {self.group_size}, but it must be 1 or 5.")
        known = self.sweep.ood_datasets
        if self.ood_dataset and self.ood_dataset not in known:
            raise ValueError(unknown("OOD set", self.ood_dataset, known))
        object.__setattr__(self, "ood_dataset", self.ood_dataset or known[0])

    @cached_property
    def sweep(self) -> Readings:
        """The flow with all of its readings."""
        return Readings(self.id_dataset, profile=self.profile, seed=self.seed, model=self.model)

    def prepare(self) -> None:
        result_of(self.sweep)


def moving_pictures(chapter: Explorer) -> HTML:
    """The place in the page that its script fills, with what it shows first."""
    from IPython.display import HTML

    names = ("id_dataset", "ood_dataset", "reading", "group_size")
    shown = {name: str(getattr(chapter, name)) for name in names}
    shown["flow"] = f"{chapter.sweep.label()}-"
    data = (f'data-{name.replace("_", "-")}="{html.escape(v)}"' for name, v in shown.items())
    return HTML(f'<div id="explorer" {" ".join(data)}></div>')


def read_rows(chapter: Explorer, readings: pd.DataFrame) -> pd.DataFrame:
    """The readings of every flow that is published at the chapter's profile, and of its own."""
    rows = published_rows.read_published_rows("readings", "readings", chapter.profile)
    own = {name: getattr(chapter, name) for name in FLOW}
    if (rows[list(own)] == pd.Series(own)).all(axis=1).any():
        return rows
    return pd.concat([rows, readings.assign(**own)], ignore_index=True)


def of_pair(chapter: Explorer, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the chapter's reading and group size, and of its pair, in order of epochs.

    The table is "readings" or "histograms".
    """
    rows = aurocs.select(table, *READINGS[chapter.reading], chapter.group_size)
    if rows.empty:
        raise ValueError(f"this sweep was not read by {chapter.reading!r}; choose another reading.")
    sets = rows["ood"] if "ood" in rows else rows["dataset"]
    return rows[sets.isin((chapter.id_dataset, chapter.ood_dataset))].sort_values("epoch")


def early_and_late(chapter: Explorer) -> tuple[float, float]:
    """The trained epoch at which about 50,000 images are seen, and the last."""
    trained = [epoch for epoch in chapter.sweep.epochs if epoch > 0]
    size = chapter.sweep.run.sizes.images_per_epoch or EARLY_IMAGES
    return min(trained, key=lambda epoch: abs(epoch * size - EARLY_IMAGES)), trained[-1]


def checkpoint_table(chapter: Explorer, tables: Tables) -> pd.DataFrame:
    """The pair's AUROC and the bits of held-out ID images at every checkpoint, for readers."""
    rows = of_pair(chapter, tables["readings"])
    bits = tables["bits"][tables["bits"]["dataset"] == chapter.id_dataset]
    training = chapter.sweep.configuration()["training"]
    return pd.DataFrame(
        {
            "checkpoint": [checkpoint_title(epoch, training) for epoch in rows["epoch"]],
            "AUROC": [with_interval(row) for _, row in rows.iterrows()],
            "bits": bits.sort_values("epoch")["bits_per_dim"].round(3).to_numpy(),
        }
    ).set_index("checkpoint")


def pair_over_checkpoints(chapter: Explorer, tables: Tables) -> Figure:
    """The pair's histograms and ROC at an early and the last checkpoint, and its AUROC at all."""
    training = chapter.sweep.configuration()["training"]
    histograms = of_pair(chapter, tables["histograms"])
    by_title = {
        checkpoint_title(epoch, training): histograms[histograms["epoch"] == epoch]
        for epoch in dict.fromkeys(early_and_late(chapter))
    }
    pair = (chapter.id_dataset, chapter.ood_dataset)
    return pictures.pair_figure(by_title, of_pair(chapter, tables["readings"]), pair)


def all_pairs(chapter: Explorer, rows: pd.DataFrame) -> Figure:
    """Heat maps of all pairs of a model at an early and the last checkpoint, means over seeds."""
    rows = rows[rows["model"] == chapter.model]
    rows = aurocs.select(rows, *READINGS[chapter.reading], chapter.group_size)
    training = chapter.sweep.configuration()["training"]
    channels = rows["id_dataset"].map(lambda name: eg.DATASETS[name].shape[0])
    tables = {
        f"{'grey' if count == 1 else 'colour'}, {checkpoint_title(epoch, training)}": part[
            part["epoch"] == epoch
        ].pivot_table(index="id_dataset", columns="ood", values="auroc", observed=True)
        for count, part in rows.groupby(channels)
        for epoch in dict.fromkeys(early_and_late(chapter))
    }
    return heatmaps.auroc_heatmaps(tables)


def words(chapter: Explorer, tables: Tables, rows: pd.DataFrame) -> Texts:
    """What the pair does between its early and its last checkpoint, and the number of flows."""
    at = checkpoint_table(chapter, tables)
    training = chapter.sweep.configuration()["training"]
    early, late = (checkpoint_title(epoch, training) for epoch in early_and_late(chapter))
    return {
        "id": title_of(chapter.id_dataset),
        "ood": title_of(chapter.ood_dataset),
        "reading": detector_title(*READINGS[chapter.reading]),
        "flows": str(len(rows[FLOW].drop_duplicates())),
        "early": early,
        "late": late,
        "auroc_start": str(at["AUROC"].iloc[0]),
        "auroc_early": str(at.loc[early, "AUROC"]),
        "auroc_late": str(at.loc[late, "AUROC"]),
    }
