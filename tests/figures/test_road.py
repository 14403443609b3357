"""The figures of how far along its road a flow is show the rows that they are given."""

from __future__ import annotations

import pandas as pd
import pytest

from earlyglow_book.figures.road import NO_FLOW, aurocs_over_bits

BITS = (6.0, 4.0, 3.5)
AUROCS = {
    ("celeba", "glow", "the paper's score"): (0.6, 0.9, 0.91),
    ("celeba", "glow", NO_FLOW): (0.8, 0.8, 0.8),
    ("mnist", "glow", "the paper's score"): (0.7, 0.95, 0.94),
    ("mnist", "dense_glow", "the paper's score"): (0.5, 0.4, 0.3),
}
PAPER = {"celeba": {1: 3.8, 10: 3.4}}


def means() -> pd.DataFrame:
    rows = [
        (*of_line, bits, auroc)
        for of_line, values in AUROCS.items()
        for bits, auroc in zip(BITS, values, strict=True)
    ]
    columns = ["id_dataset", "model", "score", "bits_per_dim", "auroc"]
    return pd.DataFrame(rows, columns=columns)


def test_each_panel_has_the_lines_of_its_id_set() -> None:
    axes = aurocs_over_bits(means(), PAPER).axes
    assert [axis.get_title() for axis in axes] == ["CelebA", "MNIST"]
    for axis, name in zip(axes, ("celeba", "mnist"), strict=True):
        drawn = {tuple(map(float, line.get_ydata())) for line in axis.lines}
        assert {values for line, values in AUROCS.items() if line[0] == name} <= drawn
        # Fewer bits, which is more training, lie to the right.
        assert axis.get_xlim()[0] > axis.get_xlim()[1]


def test_the_paper_stands_at_its_first_epoch_where_it_has_the_set() -> None:
    celeba, mnist = aurocs_over_bits(means(), PAPER).axes
    (vertical,) = (line for line in celeba.lines if len(set(line.get_xdata())) == 1)
    assert vertical.get_xdata()[0] == PAPER["celeba"][1]
    assert all(tuple(line.get_xdata()) == BITS for line in mnist.lines)


def test_models_and_the_control_differ_in_their_dashes() -> None:
    figure = aurocs_over_bits(means(), PAPER)
    (legend,) = figure.legends
    looks = {
        text.get_text(): (line.get_color(), line.get_linestyle())
        for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    glow, dense = (looks[f"the paper's score, {name}"] for name in ("Glow", "DenseGlow"))
    assert glow[0] == dense[0]
    assert len({glow[1], dense[1], looks[NO_FLOW][1]}) == 3


@pytest.mark.parametrize("count", [1, 4, 5])
def test_any_number_of_sets_finds_its_panels(count: int) -> None:
    names = ["mnist", "kmnist", "cifar10", "svhn", "gtsrb"][:count]
    rows = pd.concat(means().query("id_dataset == 'mnist'").assign(id_dataset=n) for n in names)
    shown = [axis for axis in aurocs_over_bits(rows, {}).axes if axis.axison]
    assert len(shown) == count
    assert all(len(axis.lines) == 2 for axis in shown)
