"""The score of any model that gives images a log-likelihood."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import style
from earlyglow_book.deferred import torch
from earlyglow_book.experiment import Chapter
from earlyglow_book.parameters import DatasetName, Field, Seed, Whole, parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor, nn


@parameters
class YourModel(Chapter):
    """Three small models of other kinds, trained here."""

    name: ClassVar[str] = "your_model"

    id_dataset: DatasetName = Field(default="digits", description="The ID set; small images.")
    ood_dataset: DatasetName = Field(
        default="textures", description="The OOD set, brought to the shape of the ID images."
    )
    steps: Whole = Field(default=200, ge=1, le=10_000, description="Optimiser steps of each model.")
    seed: Seed = 0


def bars(rows: dict[str, dict[str, float]]) -> Figure:
    """AUROC of every score of every model, as bars."""
    with style.style():
        figure, (axis,) = style.panels(1, height=2.8)
        scores = list(next(iter(rows.values())))
        for i, score in enumerate(scores):
            places = [place + 0.8 * ((i + 0.5) / len(scores) - 0.5) for place in range(len(rows))]
            heights = [found[score] for found in rows.values()]
            axis.bar(places, heights, 0.25, color=style.COLOURS[i + 1], label=score)
        axis.axhline(0.5, color="0.5", lw=1, ls=":")
        axis.set_xticks(range(len(rows)), list(rows))
        axis.set_ylabel("AUROC")
        figure.legend(loc="outside lower center", ncols=len(scores))
    return figure


def fit(model: nn.Module, x: Tensor, steps: int) -> nn.Module:
    """Maximise the mean ``log_prob`` of images (N, ...) by Adam, 64 at a time."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        batch = x[torch.arange(64 * step, 64 * step + 64) % len(x)]
        loss = -model.log_prob(batch).mean()  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def aurocs(model: nn.Module, fit_half: Tensor, eval_half: Tensor, ood: Tensor) -> dict[str, float]:
    """AUROC of three scores fitted on one half, by their names; says which tensors take long."""
    detectors = {
        "likelihood": eg.LikelihoodDetector(model),
        "paper's score": eg.LayerGradientDetector(model),
        "neighbours": eg.LayerNeighbourDetector(model),
    }
    found = {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name, detector in detectors.items():
            detector.fit(fit_half)
            found[name] = eg.auroc(detector.predict(eval_half), detector.predict(ood))
    for warning in said:
        if issubclass(warning.category, eg.gradients.SlowerWayWarning):
            print(warning.message)
    return found
