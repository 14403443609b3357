"""How many ID images a reading needs to be fitted on.

``rows`` are of the table "aurocs", ``published`` those of all flows with their flow in front.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import inference, lines, measuring, reading, stored
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.plan_study import TwoEpochStudy
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.study import Checkpoints, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import score_titles, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

_COUNTS = (25, 50, 100, 200, 500, 1000)
_DRAWS = 5
_NEAR = 0.02
_TITLES = score_titles("layer_gradients", "neighbours", "covariance", "no_flow")


@parameters
class FewImages(TwoEpochStudy):
    """AUROCs of several readings fitted on parts of the fit half, early and late."""

    name: ClassVar[str] = "few_images"
    version: ClassVar[int] = 1

    id_dataset: IdDataset = "celeba"

    def settings(self) -> dict[str, Any]:
        return {"counts": list(_COUNTS), "draws": _DRAWS, "epochs_read": list(self.read_epochs)}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        pictures = reading.picture_statistics(sets)
        parts = []
        for checkpoint in checkpoints:
            flow, norms = checkpoint.flow, checkpoint.norms()
            inputs = {
                "layer_gradients": (eg.LayerGradientDetector(flow), norms),
                "neighbours": (eg.LayerNeighbourDetector(flow), norms),
                "covariance": (eg.LayerCovarianceDetector(flow), norms),
                "no_flow": (eg.ImageStatisticsDetector(), pictures),
            }
            for name, (detector, values) in inputs.items():
                table = aurocs_of_parts(detector, values, self.id_dataset)
                parts.append(table.assign(detector=name, epoch=checkpoint.epoch))
        return {"aurocs": stored.joined(parts)}


def aurocs_of_parts(
    detector: eg.detectors.StatisticsDetector, values: dict[str, Tensor], id_dataset: str
) -> pd.DataFrame:
    """AUROCs of a detector fitted on random parts of the fit images.

    Args:
        detector: reads the statistics.
        values: statistics (N, L) by set, the fit images' among them.
        id_dataset: the ID set.

    Returns:
        Columns fit_images, draw, ood, auroc.
    """
    fit, rows = values[FIT], []
    for count in (count for count in _COUNTS if count <= len(fit)):
        # All of them can be drawn in one way only.
        for draw in range(_DRAWS if count < len(fit) else 1):
            generator = torch.Generator().manual_seed(1000 * count + draw)
            part = fit[torch.randperm(len(fit), generator=generator)[:count]]
            scores = measuring.fitted_scores(detector, {**values, FIT: part})
            own = scores.pop(id_dataset)
            rows += [(count, draw, name, eg.auroc(own, ood)) for name, ood in scores.items()]
    return pd.DataFrame(rows, columns=["fit_images", "draw", "ood", "auroc"])


def over_fit_images(rows: pd.DataFrame, images: dict[float, str]) -> Figure:
    """Mean AUROC of each reading by the number of fit images, a panel for each epoch's title."""
    named = rows.assign(reading=rows["detector"].map(_TITLES))
    panels = {}
    for epoch, title in images.items():
        of_epoch = named[named["epoch"] == epoch]
        means = of_epoch.groupby(["reading", "fit_images"], sort=False)["auroc"].mean()
        panels[title] = means.reset_index(name="mean")
    axis = lines.ticked("fit images", logarithmic=True)
    return lines.line_panels(panels, "fit_images", "mean", "reading", axis, "mean AUROC", 3.4)


def needed(rows: pd.DataFrame) -> pd.DataFrame:
    """The fewest fit images with which a reading comes within .02 of all of them, in the mean.

    A row for each reading, a column for each epoch; the rows may be of several flows.
    """
    means = rows.groupby(["detector", "epoch", "fit_images"])["auroc"].mean().unstack("fit_images")
    near = means.ge(means.iloc[:, -1] - _NEAR, axis=0)
    enough = near.iloc[:, ::-1].cummin(axis=1).iloc[:, ::-1].idxmax(axis=1).unstack("epoch")
    return enough.loc[list(_TITLES)].rename(_TITLES)


def words(chapter: FewImages, published: pd.DataFrame) -> Texts:
    """What fifty fit images cost each reading against all of them, over all published flows."""
    late = chapter.read_epochs[1]
    rows = published[published["epoch"] == late]
    keys = ["detector", *FLOW, "ood"]
    table = rows.groupby([*keys, "fit_images"])["auroc"].mean().unstack("fit_images")
    cost = table.iloc[:, -1] - table[50]
    texts = {
        "flows": str(len(published[FLOW].drop_duplicates())),
        "id": title_of(chapter.id_dataset),
        "most": f"{table.columns[-1]:,}",
    }
    for name in _TITLES:
        texts[f"cost_{name}"] = str(inference.mean_over_sets(cost.loc[name]))
        texts[f"few_{name}"] = f"{table.loc[name, 50].mean():.3f}"
    return texts
