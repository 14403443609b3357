"""How far along its road a flow is: bits of held-out images against images seen in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlyglow_book.figures.style import (
    COLOURS,
    MARKERS,
    NO_FLOW,
    NO_FLOW_LOOK,
    WIDTH,
    legend_below,
    line_style,
    panels,
    style,
)
from earlyglow_book.titles import model_title, title_of

# Images in the paper's CIFAR-10 epoch, by which its epochs are placed.
_PAPER_EPOCH = 50_000
_FAMILIES = {
    "colour": ("cifar10", "gtsrb", "celeba", "tiny_imagenet"),
    "grey": ("mnist", "fashion_mnist", "kmnist", "omniglot"),
}


def bits_over_images(means: pd.DataFrame, paper: Mapping[str, Mapping[int, float]]) -> Figure:
    """One line for each flow, colour and grey ID sets apart; crosses for the paper's own flows.

    Args:
        means: columns id_dataset, model, images, bits_per_dim.
        paper: bits by epoch of the paper's flow of each ID set.
    """
    families = {
        name: means[means["id_dataset"].isin(sets)]
        for name, sets in _FAMILIES.items()
        if means["id_dataset"].isin(sets).any()
    } or {"embedded": means}
    with style():
        figure, axes = panels(len(families), height=4.4)
        for axis, (family, rows) in zip(axes, families.items(), strict=True):
            for (name, model), part in rows.groupby(["id_dataset", "model"]):
                line = line_style(str(name)) | {"ls": "-" if model == "glow" else "--"}
                label = f"{title_of(str(name))}, {model_title(str(model))}"
                axis.plot(part["images"], part["bits_per_dim"], label=label, **line)
            if family == "colour":
                _add_paper(axis, paper)
            axis.set_xscale("log")
            axis.set_title(f"{family} images")
            axis.set_xlabel("images seen in training")
            legend_below(axis)
        axes[0].set_ylabel("held-out bits per dimension")
    return figure


def aurocs_over_bits(means: pd.DataFrame, paper: Mapping[str, Mapping[int, float]]) -> Figure:
    """A small panel for each ID set, in which training goes to the right, where bits are fewer.

    Held-out bits are bits per dimension of ID images. A vertical line stands at those of the
    paper's own flow after its first epoch: "an immature flow is enough" would be a line that is
    there as high as at its right end, and above *no flow*.

    Args:
        means: columns id_dataset, model, bits_per_dim, score, auroc, one row for each checkpoint;
            the rows whose score is "no flow" are the control's, a line without marks.
        paper: bits by epoch of the paper's flow of each ID set.
    """
    by_set = dict(list(means.groupby("id_dataset")))
    across = min(4, len(by_set))
    down = -(-len(by_set) // across)
    with style():
        size = (WIDTH, 1.4 + 1.8 * down)
        figure, grid = plt.subplots(down, across, figsize=size, sharey=True, squeeze=False)
        labelled = {}
        scores = [name for name in dict.fromkeys(means["score"]) if name != NO_FLOW]
        for axis, (name, of_set) in zip(grid.flat, by_set.items(), strict=False):
            for (score, model), rows in of_set.groupby(["score", "model"], sort=False):
                look, label = _look_of_score(str(score), str(model), scores)
                (labelled[label],) = axis.plot(rows["bits_per_dim"], rows["auroc"], **look)
            if name in paper:
                line = axis.axvline(paper[name][1], color="0.6", lw=1)
                labelled["the paper's bits after its first epoch"] = line
            axis.invert_xaxis()
            axis.set_title(title_of(str(name)), fontsize="medium")
        for axis in grid.flat[len(by_set) :]:
            axis.set_axis_off()
        for axis in grid[-1]:
            axis.set_xlabel("held-out bits")
        for axis in grid[:, 0]:
            axis.set_ylabel("mean AUROC")
        figure.legend(list(labelled.values()), list(labelled), loc="outside lower center", ncols=2)
    return figure


def _look_of_score(score: str, model: str, scores: list[str]) -> tuple[dict[str, Any], str]:
    """Colour by score and dashes by model, and the line's name; the control has one look."""
    if score == NO_FLOW:
        return NO_FLOW_LOOK | {"marker": ""}, score
    place = scores.index(score)
    dashes = "-" if model == "glow" else "--"
    look = {"color": COLOURS[1 + place], "marker": MARKERS[place], "ls": dashes, "ms": 3.5}
    return look, f"{score}, {model_title(model)}"


def _add_paper(axis: Axes, paper: Mapping[str, Mapping[int, float]]) -> None:
    for name, bits in paper.items():
        images = [epoch * _PAPER_EPOCH for epoch in bits]
        look = {"color": line_style(name)["color"], "ls": "none", "marker": "x", "ms": 7, "mew": 2}
        label = f"{title_of(name)}, the paper's"
        axis.plot(images, list(bits.values()), label=label, **look)
