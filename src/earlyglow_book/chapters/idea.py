"""The idea from the ground up, in pictures that are computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import style
from earlyglow_book.deferred import np, plt, stats, torch
from earlyglow_book.experiment import Chapter
from earlyglow_book.parameters import Field, Number, Seed, parameters

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

_ID, _OOD = "#0072B2", "#D55E00"


@parameters
class Idea(Chapter):
    """Small numbers of the pictures."""

    name: ClassVar[str] = "idea"

    stretch: Number = Field(
        default=2.0, ge=0.2, le=5, description="How steep the map of the first picture is."
    )
    epochs: Number = Field(
        default=2.0, ge=0.1, le=50, description="Passes that train the small flow."
    )
    seed: Seed = 0


def change_of_variables(stretch: float) -> Figure:
    """Equal slices of a bell through a map of that slope at zero, and the density they make."""
    z = np.linspace(-2.4, 2.4, 13)

    def inverse(values: np.ndarray) -> np.ndarray:
        return np.sinh(values) / stretch

    x_fine = np.linspace(inverse(z[0]), inverse(z[-1]), 400)
    forward = np.arcsinh(stretch * x_fine)
    slope = stretch / np.sqrt(1 + (stretch * x_fine) ** 2)
    with style.style():
        figure, (left, right) = style.panels(2, height=3.2)
        left.plot(x_fine, forward, color="black")
        for edge in z:
            left.plot(
                [inverse(edge), inverse(edge), x_fine[-1]], [-3, edge, edge], color="0.8", lw=0.7
            )
        left.set_xlabel("x")
        left.set_ylabel("z = f(x)")
        left.set_title("the map: equal steps in z")
        right.fill_between(x_fine, stats.norm.pdf(forward) * slope, color=_ID, alpha=0.3)
        right.plot(x_fine, stats.norm.pdf(forward), color="0.5", ls=":", label="p(z) at f(x)")
        right.plot(
            x_fine, stats.norm.pdf(forward) * slope, color=_ID, label="p(x) = p(z) · |f′(x)|"
        )
        right.set_xlabel("x")
        right.set_title("steep means dense")
        right.legend(loc="upper right", fontsize="small")
    return figure


def moving_density(stretch: float) -> HTML:
    """The place in the book's page where moving_density.js draws the same picture with sliders.

    Args:
        stretch: slope of the map at zero, to begin with.
    """
    from IPython.display import HTML

    return HTML(f'<div id="moving-density" data-stretch="{stretch:g}"></div>')


def spiked_and_spread() -> Figure:
    """Densities of four grey levels: narrow bells on the integers, and equal cells."""
    levels, shares = np.arange(4), np.array([0.1, 0.4, 0.3, 0.2])
    x = np.linspace(-0.5, 4.5, 2000)
    with style.style():
        figure, axes = style.panels(2, height=2.6, share_y=True)
        for width, colour in ((0.2, "0.7"), (0.1, "0.45"), (0.05, "black")):
            density = sum(
                s * stats.norm.pdf(x, v, width) for v, s in zip(levels, shares, strict=True)
            )
            axes[0].plot(x, density, color=colour, label=f"bells of width {width}")
        axes[0].legend(fontsize="small")
        axes[0].set_title("integers: as high as you like")
        axes[1].stairs(shares, np.arange(5), fill=True, color=_ID, alpha=0.4)
        axes[1].set_title("spread over cells: at most the share")
        for axis in axes:
            axis.set_xlabel("grey level")
        axes[0].set_ylabel("density")
    return figure


def squeezed(image: Tensor) -> Figure:
    """An image (1, H, W), its four channels after a squeeze, and what a coupling changes."""
    with style.style(axes_grid=False):
        figure, axes = plt.subplots(2, 5, figsize=(style.WIDTH, 2.9))
        channels = torch.nn.functional.pixel_unshuffle(image[None], 2)[0]
        pictures = [image[0], *channels]
        shift = 0.3 * torch.tanh(channels[:2].flip(2))
        coupled = [*channels[:2], *(0.6 * channels[2:] + shift)]
        titles = ["image", "channel 1", "channel 2", "channel 3", "channel 4"]
        for axis, picture, title in zip(axes[0], pictures, titles, strict=True):
            _show(axis, picture)
            axis.set_title(title, fontsize="small")
        axes[1][0].set_axis_off()
        axes[1][0].text(0.5, 0.5, "after a\ncoupling", ha="center", va="center")
        for axis, picture in zip(axes[1][1:], coupled, strict=True):
            _show(axis, picture)
    return figure


def _show(axis: Axes, picture: Tensor) -> None:
    axis.imshow(picture, cmap="gray", vmin=-0.5, vmax=0.5)
    axis.set_axis_off()


def pulls_on_two_parameters(seed: int) -> Figure:
    """Gradients of log p for a bell with a mean and a spread: familiar points and far ones."""
    generator = np.random.default_rng(seed)
    own, far = generator.normal(0, 1, 60), generator.normal(3.5, 0.4, 12)
    with style.style():
        figure, (left, right) = style.panels(2, height=3.2)
        x = np.linspace(-4, 6, 300)
        left.plot(x, stats.norm.pdf(x), color="black")
        for points, colour, label in ((own, _ID, "familiar"), (far, _OOD, "far")):
            left.plot(points, np.full_like(points, -0.02), "|", color=colour, ms=9)
            mean, spread = points, points**2 - 1
            right.scatter(mean, spread, s=14, color=colour, label=label)
        left.set_xlabel("x")
        left.set_title("a bell with mean 0 and spread 1")
        right.axhline(0, color="0.7", lw=1)
        right.axvline(0, color="0.7", lw=1)
        right.set_xlabel("∂ log p / ∂ mean")
        right.set_ylabel("∂ log p / ∂ log spread")
        right.set_title("how each point pulls")
        right.legend(fontsize="small")
    return figure


def one_layer(
    names: tuple[str, ...], own: Tensor, ood: Tensor, place: int, own_title: str, ood_title: str
) -> Figure:
    """Histograms of one tensor's log norm, with the fitted bell, from squared norms (N, L)."""
    logs = [values[:, place].double().log().numpy() for values in (own, ood)]
    edges = np.linspace(min(map(np.min, logs)), max(map(np.max, logs)), 50)
    with style.style():
        figure, (axis,) = style.panels(1, height=3.0)
        for values, colour, title in zip(logs, (_ID, _OOD), (own_title, ood_title), strict=True):
            axis.hist(values, list(edges), density=True, color=colour, alpha=0.5, label=title)
        x = np.linspace(edges[0], edges[-1], 300)
        axis.plot(x, stats.norm.pdf(x, logs[0].mean(), logs[0].std()), color="black", label="fit")
        axis.set_xlabel("log squared gradient norm of one parameter tensor")
        axis.set_title(names[place], fontsize="small")
        axis.set_ylabel("density")
        axis.legend()
    return figure


def most_telling(own: Tensor, ood: Tensor) -> int:
    """The tensor whose log norm lies furthest from its mean for OOD images, in ID deviations."""
    mean, deviation = own.log().mean(0), own.log().std(0)
    distance = ((ood.log().mean(0) - mean) / deviation).abs()
    return int(torch.where(distance.isfinite(), distance, 0.0).argmax())


def twenty_dots(seed: int) -> tuple[Figure, float, int]:
    """Ten ID and ten OOD scores on a line; AUROC, and the pairs in the right order of 100."""
    generator = np.random.default_rng(seed)
    own, ood = np.sort(generator.normal(0, 1, 10)), np.sort(generator.normal(1.2, 1, 10))
    right = int((ood[:, None] > own).sum())
    with style.style(axes_grid=False):
        figure, (axis,) = style.panels(1, height=1.5)
        for values, height, colour, label in ((own, 0, _ID, "ID"), (ood, 1, _OOD, "OOD")):
            axis.scatter(values, np.full(10, height), color=colour, s=45)
            axis.text(-3.2, height, label, va="center")
        axis.set_xlabel("score")
        axis.set_yticks([])
        axis.set_ylim(-0.6, 1.6)
        axis.spines[["left"]].set_visible(False)
    return figure, eg.auroc(own, ood), right
