"""The pictures' numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from earlyglow_book.chapters.idea import change_of_variables, most_telling, squeezed, twenty_dots


@pytest.mark.parametrize("stretch", [0.5, 2.0])
def test_the_density_of_the_first_picture_has_mass_one(stretch: float) -> None:
    """The map's ends cut off what lies beyond 2.4 deviations of the bell."""
    axis = change_of_variables(stretch).axes[1]
    line = next(line for line in axis.lines if "p(x)" in str(line.get_label()))
    x, density = line.get_data()
    assert np.trapezoid(density, x) == pytest.approx(0.9836, abs=2e-3)


def test_a_coupling_keeps_half_of_the_channels() -> None:
    image = torch.rand(1, 8, 8) - 0.5
    figure = squeezed(image)
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    before, after = shown[1:5], shown[5:]
    assert sorted(np.concatenate([c.ravel() for c in before])) == pytest.approx(
        sorted(image.flatten().tolist())
    )
    assert all(np.array_equal(a, b) for a, b in zip(before[:2], after[:2], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[2:], after[2:], strict=True))


def test_twenty_dots_are_counted() -> None:
    figure, area, right = twenty_dots(3)
    own, ood = (collection.get_offsets()[:, 0] for collection in figure.axes[0].collections)
    expected = roc_auc_score([0] * 10 + [1] * 10, np.concatenate([own, ood]))
    assert area == pytest.approx(expected)
    assert right == round(100 * expected)


def test_the_most_telling_tensor_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(100, 5, generator=generator).exp()
    ood = torch.randn(100, 5, generator=generator).exp()
    ood[:, 3] *= 1e3
    own[:, 1] = ood[:, 1] = 0
    assert most_telling(own, ood) == 3
