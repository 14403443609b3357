"""The released one-channel model at its own size."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from earlyglow_book.chapters.epoch_sweep import EpochSweep, bits_by_epoch
from earlyglow_book.chapters.tools import aurocs, pairs
from earlyglow_book.deferred import pd
from earlyglow_book.experiment import Chapter, result_of
from earlyglow_book.flow_runs.profiles import ProfileName
from earlyglow_book.parameters import DatasetName, Epochs, Field, Seed, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import PAIR
from earlyglow_book.tables.texts import Texts, formatted
from earlyglow_book.titles import title_of


@parameters
class DenseGlowFullSize(Chapter):
    """The epoch sweep of a DenseGlow of the paper's size."""

    name: ClassVar[str] = "dense_glow_full_size"

    id_dataset: DatasetName = Field(
        default="kmnist", description="The ID set, of one channel, which needs training images."
    )
    epochs: Epochs = ()
    profile: ProfileName = Field(
        default="full_size", description="The paper's model (hours), or smoke (seconds)."
    )
    seed: Seed = 0

    def __post_init__(self) -> None:
        # Built here so that a bad value is refused before anything runs.
        _ = self.sweep

    @cached_property
    def sweep(self) -> EpochSweep:
        """The sweep that the notebook shows."""
        return EpochSweep(
            self.id_dataset,
            epochs=self.epochs,
            profile=self.profile,
            seed=self.seed,
            model="dense_glow",
        )

    def prepare(self) -> None:
        result_of(self.sweep)


# The first of them stands for a flow that has hardly begun to learn.
_FIRST = 1.0


def beside_classroom(full: pd.DataFrame, classroom: pd.DataFrame) -> pd.DataFrame:
    """Mean AUROC of the gradient score on single images, at full size and at the classroom's.

    A row for each ID set that was run at full size; columns size and epoch, the trained epochs
    that all runs of a size have in common.
    """
    large, small = _means_by_epoch(full), _means_by_epoch(classroom)
    sizes = {"full size": large, "classroom": small.reindex(large.index, columns=large.columns)}
    return pd.concat(sizes, axis=1, names=["size"])


def words(
    chapter: DenseGlowFullSize, tables: Tables, full: pd.DataFrame, classroom: pd.DataFrame
) -> Texts:
    """What the run of the notebook does, and all published runs of this size together.

    The rows of ``full`` and ``classroom`` are those of :func:`beside_classroom`.
    """
    means = aurocs.mean_by_epoch(tables["aurocs"])
    bits = bits_by_epoch(tables["epochs"], chapter.id_dataset)
    early, last = means.index[means.index > 0].min(), means.index.max()
    smaller = EpochSweep(chapter.id_dataset, model="dense_glow")
    return {
        "weights": _millions(chapter.sweep),
        "weights_smaller": _millions(smaller),
        "epoch_images": f"{chapter.sweep.run.sizes.images_per_epoch:,}",
        **formatted("g", early=early, last=last),
        **formatted(".3f", auroc_early=means[early], auroc_last=means[last]),
        **formatted(".2f", bits_early=bits[early], bits_last=bits[last]),
        **_over_all_runs(full, classroom),
    }


def _over_all_runs(rows: pd.DataFrame, classroom: pd.DataFrame) -> Texts:
    _, last = pairs.early_and_late(rows)
    at_last = [
        part[part["epoch"] == last].groupby(PAIR)["auroc"].mean()
        for part in (rows, classroom[classroom["model"] == "dense_glow"])
    ]
    changes = -pairs.gain_of_epoch(rows, _FIRST)
    by_set = changes.groupby("id_dataset").mean()
    # With few ID sets an interval would reach beyond what a difference of AUROCs can be.
    change, against = (
        pairs.within_range(pairs.mean_over_pairs(values), -1, 1)
        for values in (changes, (at_last[0] - at_last[1]).dropna())
    )
    return {
        "falls_on": _titles(by_set.index[by_set < 0]),
        "rises_on": _titles(by_set.index[by_set >= 0]),
        "sets": str(rows["id_dataset"].nunique()),
        "pairs": str(change.pairs),
        "common_last": f"{last:g}",
        "change": str(change),
        "against": str(against),
        **_longest_run(rows, last),
    }


def _longest_run(rows: pd.DataFrame, common_last: float) -> Texts:
    """The run that was trained furthest beyond the epoch that all have."""
    longest = rows[rows["epoch"] == rows["epoch"].max()].iloc[0]
    means = rows[rows["id_dataset"] == longest["id_dataset"]].groupby("epoch")["auroc"].mean()
    return {
        "longest_set": title_of(str(longest["id_dataset"])),
        "longest_last": f"{means.index.max():g}",
        "longest_at_common": f"{means[common_last]:.3f}",
        "longest_at_last": f"{means[means.index.max()]:.3f}",
    }


def _titles(names: pd.Index) -> str:
    return ", ".join(title_of(str(name)) for name in names) or "none"


def _millions(sweep: EpochSweep) -> str:
    return f"{sweep.run.spec.count_parameters() / 1e6:.1f} million"


def _means_by_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[(rows["model"] == "dense_glow") & (rows["epoch"] > 0)]
    means = rows.groupby(["id_dataset", "epoch"])["auroc"].mean().unstack("epoch")
    return means.dropna(axis=1)
