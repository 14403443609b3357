"""How far two trainings end apart that differ in the last bit of one weight."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.epoch_sweep import detector_rows
from earlyglow_book.chapters.tools import aurocs
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.flow_runs.study import FlowExperiment, FlowModel, FlowProfile
from earlyglow_book.parameters import DatasetName, Field, Numbers, Seed, parameters
from earlyglow_book.results import Computed


@parameters
class Chaos(FlowExperiment):
    """One training, and the same one after the smallest change of one weight."""

    name: ClassVar[str] = "chaos"
    shown_by: ClassVar[str] = "verdict"
    # Another processor rounds otherwise, which is the point.
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {"datasets": 1, "flows": 1, "training": 1, "chaos": 1}

    id_dataset: DatasetName = Field(default="kmnist", description="The ID set.")
    profile: FlowProfile = "classroom"
    seed: Seed = 0
    model: FlowModel = "dense_glow"
    epochs: Numbers = Field(default=(0.1, 1, 5, 20), description="Epochs to compare.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", self.run.epochs)

    @cached_property
    def run(self) -> FlowRun:
        """The flow and its images."""
        return FlowRun(
            self.id_dataset,
            (),
            self.epochs,
            profile=self.profile,
            seed=self.seed,
            model=self.model,
            objectives=("log_prob",),
            only_groups=(1,),
        )

    def configuration(self) -> dict[str, Any]:
        return {
            **self.run.configuration(),
            "changed": "the first network weight by one unit in the last place",
        }

    def compute(self, workspace: Path) -> Computed:
        """Train both, and score single images at every epoch."""
        sets, training = self.run.load_sets(), self.run.training_images()
        parts = []
        for changed in (False, True):
            flow = self.run.spec.build(self.seed)
            if changed:
                nudge(flow)
            folder = workspace / "chaos" / f"{self.inputs().key()[:16]}-{int(changed)}"
            trained = eg.train(flow, training, self.run.training, folder)
            measured = self.run.measured(trained, sets, folder)
            for checkpoint in measured:
                detector = eg.LayerGradientDetector(checkpoint.flow)
                rows = detector_rows(checkpoint, detector, "layer_gradients", "log_prob", 1)
                table = aurocs.auroc_table(rows.assign(epoch=checkpoint.epoch), self.id_dataset)
                parts.append(table[["epoch", "ood", "auroc"]].assign(changed=changed))
        return Computed({"aurocs": pd.concat(parts, ignore_index=True)})


def nudge(flow: eg.Flow) -> None:
    """Change the first entry of the first network's weights to the next larger number.

    An actnorm is set from data before training, so that a change of it would be lost.
    """
    with torch.no_grad():
        weight = next(t for n, t in flow.named_parameters() if n.endswith("weight") and t.ndim > 1)
        first = weight[(0,) * weight.ndim]
        weight[(0,) * weight.ndim] = torch.nextafter(first, torch.full_like(first, torch.inf))


def changes_by_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    """How far the AUROCs of both trainings are apart: mean and largest over OOD sets.

    Args:
        rows: published rows of the table: model, epoch, ood, auroc, changed.

    Returns:
        Index model and epoch; columns mean, largest.
    """
    wide = rows.pivot_table(index=["model", "epoch", "ood"], columns="changed", values="auroc")
    apart = (wide[True] - wide[False]).abs().groupby(["model", "epoch"])
    return pd.DataFrame({"mean": apart.mean(), "largest": apart.max()})
