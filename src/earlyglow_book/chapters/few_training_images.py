"""How many training images a flow needs before its gradients detect anything.

``rows`` are of the tables "readings" and ``bits`` of those of that name, as :func:`read_rows` gives
them.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import intervals, lines, measuring, reading, stored
from earlyglow_book.deferred import pd
from earlyglow_book.flow_runs.plan_study import GROUP_SIZES, PlanStudy
from earlyglow_book.flow_runs.protocol import FIT, OBJECTIVES
from earlyglow_book.flow_runs.study import Checkpoints, FlowProfile, Sets
from earlyglow_book.parameters import Field, IdDataset, Numbers, Whole, parameters
from earlyglow_book.results import Tables, read_published_tables
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import score_titles, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUNTS = (250, 1000, 8000)
_SEEN = "training images"
_SEEN_IMAGES = 250
_TITLES = score_titles("layer_gradients", "neighbours", "likelihood", "no_flow")


@parameters
class FewTrainingImages(PlanStudy):
    """AUROCs of a flow that was trained on a part of its training set."""

    name: ClassVar[str] = "few_training_images"
    version: ClassVar[int] = 1

    id_dataset: IdDataset = "fashion_mnist"
    profile: FlowProfile = "classroom"
    train_images: Whole = Field(
        default=250, ge=0, description="Training images, at most; 0 for all of the set."
    )
    epochs: Numbers = Field(
        default=(1, 3, 10, 20), description="Epochs to read, increasing; empty for the profile's."
    )

    def run_settings(self) -> dict[str, Any]:
        return super().run_settings() | {"objectives": OBJECTIVES[:1], "duplicates": 0.0}

    def label(self) -> str:
        return f"{super().label()}-{self.train_images or 'all'}"

    def settings(self) -> dict[str, Any]:
        return {"seen_images": _SEEN_IMAGES}

    def sets_to_measure(self) -> Sets:
        """The usual sets, and some of the images that the flow is trained on."""
        training = self.run.training_images()
        return super().sets_to_measure() | {
            _SEEN: training.take(eg.subset(len(training), _SEEN_IMAGES))
        }

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        scored = self.scored
        pictures = reading.picture_statistics({name: sets[name] for name in (FIT, *scored)})
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        for checkpoint in checkpoints:
            for size in GROUP_SIZES:
                scores, _ = reading.scores_of(checkpoint, scored, size, OBJECTIVES[0])
                scores |= reading.likelihood_scores(checkpoint, scored, size)
                scores |= reading.control_scores(pictures, size)
                rows = reading.auroc_rows(scores, OBJECTIVES[0], size, self.id_dataset)
                parts["readings"].append(rows.assign(epoch=checkpoint.epoch))
            bits = measuring.bits_of_sets(checkpoint).assign(epoch=checkpoint.epoch)
            parts["bits"].append(bits)
        return stored.joined_parts(parts)


def read_rows(table: str) -> pd.DataFrame:
    """One table of every published result, with its ID set and number of training images."""
    parts = [
        found.assign(**{name: parameters[name] for name in ("id_dataset", "train_images")})
        for parameters, found in read_published_tables(FewTrainingImages.name, table)
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values(["id_dataset", "train_images"], kind="stable", ignore_index=True)


def mean_aurocs(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over OOD sets of single images.

    Columns id_dataset, train_images, epoch, detector, reading, mean.
    """
    chosen = rows[(rows["group_size"] == 1) & rows["detector"].isin(list(_TITLES))]
    keys = ["id_dataset", "train_images", "epoch", "detector"]
    means = chosen.groupby(keys, observed=True)["auroc"].mean().reset_index(name="mean")
    return means.assign(reading=means["detector"].map(_TITLES))


def over_training_images(rows: pd.DataFrame, epoch: float) -> Figure:
    """Mean AUROC of each reading against the number of training images, a panel for each ID set."""
    means = mean_aurocs(rows)
    means = means[means["epoch"] == epoch]
    panels = {title_of(str(name)): own for name, own in means.groupby("id_dataset", sort=False)}
    axis = lines.ticked("training images", logarithmic=True)
    return lines.line_panels(panels, "train_images", "mean", "reading", axis, "mean AUROC", 3.4)


def over_seen_images(bits: pd.DataFrame, epochs: tuple[float, ...]) -> Figure:
    """Held-out bits per dimension against the number of training images, a line for each epoch."""
    own = intervals.by_epoch(bits[bits["dataset"] == bits["id_dataset"]], epochs)
    panels = {title_of(str(name)): rows for name, rows in own.groupby("id_dataset", sort=False)}
    axis, label = lines.ticked("training images", logarithmic=True), "held-out bits per dimension"
    return lines.line_panels(panels, "train_images", "bits_per_dim", "when", axis, label, 3.2)


def overfitting(bits: pd.DataFrame) -> pd.DataFrame:
    """Bits of held-out images minus bits of images that the flow was trained on.

    A row for each ID set and number of training images, a column for each epoch.
    """
    keys = ["id_dataset", "train_images", "epoch"]
    held_out = bits[bits["dataset"] == bits["id_dataset"]].set_index(keys)["bits_per_dim"]
    seen = bits[bits["dataset"] == _SEEN].set_index(keys)["bits_per_dim"]
    return (held_out - seen).unstack("epoch")


def words(rows: pd.DataFrame, bits: pd.DataFrame) -> Texts:
    """What few training images cost, and how late minus early changes with their number."""
    epochs = sorted(rows["epoch"].unique())
    counts = sorted(rows["train_images"].unique())
    early, late, few, many = epochs[0], epochs[-1], counts[0], counts[-1]
    chosen = rows[rows["group_size"] == 1].set_index(
        ["detector", "id_dataset", "ood", "train_images", "epoch"]
    )["auroc"]
    gaps = overfitting(bits)
    texts = {
        "sets": " and ".join(title_of(str(name)) for name in rows["id_dataset"].unique()),
        "few": f"{few:,}",
        "many": f"{many:,}",
        "early": f"{early:g}",
        "late": f"{late:g}",
        "gap_few": f"{gaps.xs(few, level='train_images')[late].mean():.2f}",
        "gap_many": f"{gaps.xs(many, level='train_images')[late].mean():.2f}",
        "no_flow": f"{chosen['no_flow'].mean():.3f}",
    }
    for name in ("layer_gradients", "neighbours", "likelihood"):
        of_reading = chosen[name].unstack("epoch")
        at_late = of_reading[late].unstack("train_images")
        later = (of_reading[late] - of_reading[early]).unstack("train_images")
        texts |= {
            f"cost_{name}": _mean(at_late[many] - at_late[few]),
            f"{name}_few": f"{at_late[few].mean():.3f}",
            f"{name}_many": f"{at_late[many].mean():.3f}",
            f"later_{name}_few": _mean(later[few]),
            f"later_{name}_many": _mean(later[many]),
        }
    return texts


def _mean(differences: pd.Series) -> str:
    return f"{differences.mean():+.3f}"
