"""The second paper's idea in pictures: what a prediction leans on, and what a cut does."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import style
from earlyglow_book.deferred import np, torch
from earlyglow_book.experiment import Chapter
from earlyglow_book.parameters import Field, Number, Seed, Whole, parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from earlyglow.datasets.image_set import ImageSet
    from earlyglow.short_circuit.detector import Explanation

_ID, _OOD = "#0072B2", "#D55E00"
_WIDTHS = (64, 32)


@parameters
class ShortCircuitIdea(Chapter):
    """A small classifier of the embedded digits."""

    name: ClassVar[str] = "short_circuit_idea"

    steps: Whole = Field(default=400, ge=1, le=20_000, description="Steps that train it.")
    fraction: Number = Field(
        default=0.1, gt=0, le=1, description="Share of the features that are cut."
    )
    seed: Seed = 0


def pixels(images: ImageSet) -> Tensor:
    """Images as rows of numbers from -0.5 to 0.5: float32 (N, D)."""
    return images.images.flatten(1).float() / 255 - 0.5


def train_classifier(images: ImageSet, steps: int, seed: int) -> nn.Sequential:
    """A classifier with two hidden layers, trained in steps of 64 labelled images."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x, classes = pixels(images), int(images.labels.max()) + 1
        model = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], _WIDTHS[0]),
            torch.nn.ReLU(),
            torch.nn.Linear(*_WIDTHS),
            torch.nn.ReLU(),
            torch.nn.Linear(_WIDTHS[1], classes),
        )
        optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
        for _ in range(steps):
            batch = torch.randint(len(x), (64,))
            loss = torch.nn.functional.cross_entropy(model(x[batch]), images.labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def pulls_of_one_image(image: Tensor, explanation: Explanation, shape: tuple[int, ...]) -> Figure:
    """An image (D,), the gradient of its class by feature, its logits before and after a cut."""
    cut = set(explanation.coordinates[0].tolist())
    gradient = explanation.gradient[0].flatten().abs().numpy()
    before, after = explanation.logits_before[0].numpy(), explanation.logits_after[0].numpy()
    with style.style():
        figure, (left, middle, right) = style.panels(3, height=2.8)
        left.imshow(image.reshape(shape[1:]), cmap="gray")
        left.set_title(f"predicted: {before.argmax()}")
        left.set_axis_off()
        places = np.arange(len(gradient))
        colours = [_OOD if place in cut else "0.7" for place in places]
        middle.bar(places, gradient, color=colours)
        middle.set_title("|gradient| (cut: orange)")
        middle.set_xlabel("feature")
        right.bar(np.arange(len(before)) - 0.2, before, width=0.4, color="0.7", label="before")
        right.bar(np.arange(len(after)) + 0.2, after, width=0.4, color=_OOD, label="after")
        right.set_title("logits")
        right.set_xlabel("class")
        right.legend()
    return figure


def which_are_cut(by_head: dict[str, tuple[Explanation, int]]) -> Figure:
    """Which of its features each head cuts for images of one predicted class."""
    with style.style():
        figure, axes = style.panels(len(by_head), height=3.0)
        for axis, (title, (explanation, features)) in zip(axes, by_head.items(), strict=True):
            cut = np.zeros((len(explanation.coordinates), features))
            np.put_along_axis(cut, explanation.coordinates.numpy(), 1.0, axis=1)
            axis.imshow(cut, aspect="auto", cmap="gray_r", interpolation="nearest")
            axis.set_title(title)
            axis.set_xlabel("feature")
            axis.set_ylabel("image")
    return figure


def energies(logits: Tensor) -> Tensor:
    """The energy of each row of logits: the surer the classifier, the lower."""
    return -logits.logsumexp(1)


def energies_before_and_after(own: Explanation, ood: Explanation) -> Figure:
    """Energies of ID and OOD images with all features against those after the cut."""
    with style.style():
        figure, (axis,) = style.panels(1, height=3.8)
        for name, explanation, colour in (("ID", own, _ID), ("OOD", ood, _OOD)):
            before, after = (
                energies(logits) for logits in (explanation.logits_before, explanation.logits_after)
            )
            axis.scatter(before, after, s=8, alpha=0.5, color=colour, label=name)
        low, high = axis.get_xlim()
        axis.plot([low, high], [low, high], color="0.5", lw=1, ls=":")
        axis.set_xlabel("energy with all features")
        axis.set_ylabel("energy after the cut")
        axis.legend()
    return figure


def aurocs(own: Explanation, ood: Explanation) -> dict[str, float]:
    """AUROC of the energy before and after the cut."""
    return {
        when: eg.auroc(energies(a), energies(b))
        for when, a, b in (
            ("before", own.logits_before, ood.logits_before),
            ("after", own.logits_after, ood.logits_after),
        )
    }
