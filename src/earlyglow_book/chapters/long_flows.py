"""The plan's flows, trained on a million images each: the base of the chapters that judge them."""

from __future__ import annotations

from typing import Literal

from earlyglow_book.chapters.readings import Readings
from earlyglow_book.chapters.tools import aurocs, published_rows
from earlyglow_book.deferred import pd
from earlyglow_book.experiment import Chapter, result_of
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.flow_runs.protocol import early_epoch
from earlyglow_book.parameters import Field, parameters
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import score_titles, title_of

# The scores that are followed through the training.
SCORES = score_titles("layer_gradients", "neighbours", "no_flow")
_EMBEDDED = ("digits", "textures")


@parameters
class LongFlows(Chapter):
    """Every reading of every long flow that is published; at smoke, of two tiny flows made here."""

    profile: Literal["long", "smoke"] = Field(
        default="long", description="The published flows, or tiny ones of the embedded images."
    )

    @property
    def images_per_epoch(self) -> int:
        """Images in an epoch of the profile."""
        return find_profile(self.profile).images_per_epoch or 0

    @property
    def early(self) -> float:
        """The first kept epoch at which 50,000 images are seen, or the first trained one."""
        return float(early_epoch(find_profile(self.profile).epochs, self.images_per_epoch))

    def flows(self) -> list[Readings]:
        """The tiny flows of the smoke profile."""
        return [Readings(id_dataset=name, profile="smoke") for name in _EMBEDDED]

    def prepare(self) -> None:
        if self.profile == "smoke":
            for flow in self.flows():
                result_of(flow)

    def read_rows(self, table: str) -> pd.DataFrame:
        """One table of all flows, one under the other; id_dataset, model and seed in front."""
        if self.profile == "long":
            return published_rows.read_published_rows("readings", table, "long")
        parts = [
            result_of(flow).tables[table].assign(**{name: getattr(flow, name) for name in FLOW})
            for flow in self.flows()
        ]
        return pd.concat(parts, ignore_index=True)


def scores_of_single_images(readings: pd.DataFrame) -> pd.DataFrame:
    """The rows of the scores in ``SCORES``, with a column of their titles: score."""
    single = aurocs.of_log_prob(readings)
    chosen = single[single["detector"].isin(list(SCORES))]
    return chosen.assign(score=chosen["detector"].map(SCORES))


def counts(flows: pd.DataFrame) -> Texts:
    """How many flows there are, of which sets, models and seeds.

    Args:
        flows: columns id_dataset, model, seed; rows may repeat.
    """
    distinct = flows[FLOW].drop_duplicates()
    names = sorted(distinct["id_dataset"].unique())
    return {
        "flows": str(len(distinct)),
        "seeds": str(distinct["seed"].nunique()),
        "id_sets": ", ".join(map(title_of, names)),
        **{name: str((distinct["model"] == name).sum()) for name in ("glow", "dense_glow")},
    }
