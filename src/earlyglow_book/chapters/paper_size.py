"""The paper's RGB Glow at its own size, measured once on a GPU: a result of its own kind.

The flows were trained by a loop of its own around this library's Glow, dequantisation and norms;
their scores were kept, and become AUROCs here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from earlyglow_book.chapters.tools import aurocs
from earlyglow_book.deferred import pd
from earlyglow_book.experiment import Experiment
from earlyglow_book.parameters import parameters
from earlyglow_book.results import Computed, StoreError, Tables

_EVAL = "eval"
_READINGS = {"indep": "layer_gradients", "knn5": "neighbours", "ledoit_wolf": "covariance"}
_ADDED = ["id_dataset", "epoch"]


@parameters
class PaperSize(Experiment):
    """AUROCs and bits of two flows of the paper's size, CIFAR-10 and GTSRB, one seed."""

    name: ClassVar[str] = "paper_size"
    shown_by: ClassVar[str] = "maturity"
    # The scores come from a machine with a GPU and are not made again here.
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {"paper_size": 1}

    def configuration(self) -> dict[str, Any]:
        """The flow and its training: there is nothing to choose."""
        return {
            "flow": "3 levels of 32 steps, 512 hidden channels, 3x32x32",
            "training_images": {"cifar10": 20000, "gtsrb": 8000},
            "batch_size": 64,
        }

    def splits(self) -> list[tuple[str, str]]:
        return []

    def label(self) -> str:
        return "scores"

    def compute(self, workspace: Path) -> Computed:
        """AUROCs from ``paper_size/scores.parquet`` of the workspace, and ``bits.csv`` beside it.

        Raises:
            StoreError: they are not there.
        """
        folder = workspace / self.name
        if not (folder / "scores.parquet").is_file():
            raise StoreError(
                f"there is no {folder / 'scores.parquet'}: the scores of the paper-size flows were "
                "measured once on a GPU and are published as AUROCs; set EARLYGLOW_PUBLISHED=1."
            )
        scores, bits = pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "bits.csv")
        return Computed(tables_of_scores(scores, bits), device="NVIDIA H100 80GB")


def tables_of_scores(scores: pd.DataFrame, bits: pd.DataFrame) -> Tables:
    """The tables "readings" and "bits" as the long flows have them; an epoch is a pass.

    Args:
        scores: id_dataset, passes, detector, dataset (fit, eval or an OOD set), item, score.
        bits: id_dataset, passes, images_seen, dataset, bits_per_dim.
    """
    held_out = scores[scores["dataset"] != "fit"].astype({"detector": str, "dataset": str})
    parts = []
    for (id_dataset, passes, name), part in held_out.groupby(
        ["id_dataset", "passes", "detector"], observed=True
    ):
        objective, size, detector = _named(str(name))
        rows = part[["dataset", "score"]].assign(
            detector=detector, objective=objective, group_size=size, epoch=passes
        )
        table = aurocs.auroc_table(rows, _EVAL).drop(columns=["aupr", "fpr95"])
        parts.append(table.assign(id_dataset=str(id_dataset)))
    images = bits[[*_ADDED[:1], "passes", "images_seen"]].drop_duplicates()
    seen = images.rename(columns={"passes": "epoch", "images_seen": "images"})
    readings = pd.concat(parts, ignore_index=True).merge(seen, on=_ADDED, how="left")
    renamed = bits.rename(columns={"passes": "epoch", "images_seen": "images"})
    return {"readings": readings, "bits": renamed.drop(columns="tensors")}


def _named(detector: str) -> tuple[str, int, str]:
    """Objective, group size and the book's name of a detector: "log_prob.b5.indep" has all."""
    if "." not in detector:
        return "", 1, detector
    objective, size, reading = detector.split(".")
    return objective, int(size.removeprefix("b")), _READINGS[reading]
