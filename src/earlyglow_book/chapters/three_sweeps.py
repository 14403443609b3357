"""The epoch sweep of several ID sets, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import ClassVar

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.chapters.tools import aurocs
from earlyglow_book.deferred import pd
from earlyglow_book.experiment import Chapter, result_of
from earlyglow_book.flow_runs.protocol import three_epochs
from earlyglow_book.flow_runs.study import FlowModel, FlowProfile
from earlyglow_book.parameters import Field, Names, Seed, parameters
from earlyglow_book.tables.texts import Texts, formatted, prefixed, with_interval
from earlyglow_book.titles import title_of


@parameters
class ThreeSweeps(Chapter):
    """The epoch sweep of several ID sets."""

    name: ClassVar[str] = "three_sweeps"

    id_datasets: Names = Field(
        default=("fashion_mnist", "cifar10", "gtsrb"), min_length=1, description="The ID sets."
    )
    profile: FlowProfile = "classroom"
    seed: Seed = 0
    model: FlowModel = "glow"

    def __post_init__(self) -> None:
        # Built here so that a bad value is refused before anything runs.
        _ = self.sweeps

    @cached_property
    def sweeps(self) -> dict[str, EpochSweep]:
        """The sweep of each ID set."""
        same = partial(EpochSweep, profile=self.profile, seed=self.seed, model=self.model)
        return {name: same(name) for name in self.id_datasets}

    def prepare(self) -> None:
        for sweep in self.sweeps.values():
            result_of(sweep)


def words(tables: Mapping[str, pd.DataFrame]) -> Texts:
    """Means over the OOD sets of each ID set's AUROCs, and how often an earlier epoch is best."""
    earlier = [aurocs.mean_by_epoch(table)[lambda m: m.index > 0] for table in tables.values()]
    wins = sum(means.iloc[:-1].max() >= means.iloc[-1] for means in earlier)
    early, _, late = three_epochs(pd.concat(tables.values())["epoch"])
    count = len(earlier[0]) - 1
    texts = {
        **formatted("g", early=early, late=late),
        "early_wins": str(wins),
        "id_sets": str(len(tables)),
        "earlier_epochs": str(count),
        "by_chance": f"{count / (count + 1):.0%}",
    }
    for name, table in tables.items():
        texts |= prefixed(name, _of_sweep(table, early, late))
    return texts


def _of_sweep(table: pd.DataFrame, early: float, late: float) -> Texts:
    single, grouped = (aurocs.mean_by_epoch(table, group_size=size) for size in (1, 5))
    of_sum_z = aurocs.mean_by_epoch(table, objective="sum_z")
    of_likelihood = aurocs.mean_by_epoch(table, "likelihood", "")
    gradients = aurocs.select(table, "layer_gradients", "log_prob")
    at_late = gradients[gradients["epoch"] == late].set_index("ood")
    worst = at_late.loc[at_late["auroc"].idxmin()]
    return {
        **formatted(".3f", early=single[early], best=single.max()),
        "best_epoch": f"{single.idxmax():g}",
        **formatted(
            ".3f", late=single[late], groups_early=grouped[early], groups_late=grouped[late]
        ),
        **formatted(".3f", sum_z=of_sum_z[late], likelihood=of_likelihood[late]),
        "worst": title_of(str(worst.name)),
        "worst_auroc": with_interval(worst),
    }
