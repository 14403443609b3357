"""How far along its road a flow is: bits of held-out images against images seen in training."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlyglow_book.figures.style import line_style, panels, style
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
        figure, axes = panels(len(families), height=3.8, share_y=False)
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
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize="small")
        axes[0].set_ylabel("bits per dimension, held-out ID images")
    return figure


def _add_paper(axis: Axes, paper: Mapping[str, Mapping[int, float]]) -> None:
    for name, bits in paper.items():
        images = [epoch * _PAPER_EPOCH for epoch in bits]
        look = {"color": line_style(name)["color"], "ls": "none", "marker": "x", "ms": 7, "mew": 2}
        label = f"{title_of(name)}, the paper's"
        axis.plot(images, list(bits.values()), label=label, **look)
