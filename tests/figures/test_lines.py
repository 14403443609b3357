"""Lines against epochs, sizes and images, in panels."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.figures.lines import line_panels, small_multiples
from earlyglow_book.figures.style import NO_FLOW, epoch_axis, images_axis

EPOCHS = (1.0, 10.0, 100.0)


def rows(first: float = 1.0) -> pd.DataFrame:
    """A score that rises over the epochs, and a control that knows no epochs."""
    epochs = (first, *EPOCHS[1:])
    values = {"score": (0.5, 0.6, 0.7), NO_FLOW: (0.8, 0.8, 0.8)}
    return pd.DataFrame(
        (name, epoch, value)
        for name, of_name in values.items()
        for epoch, value in zip(epochs, of_name, strict=True)
    ).set_axis(["score", "epoch", "mean"], axis=1)


def test_what_knows_no_epoch_is_not_marked_at_each() -> None:
    figure = line_panels({"": rows()}, "epoch", "mean", "score", epoch_axis, "AUROC", 3.0)
    marks = {line.get_label(): line.get_marker() for line in figure.axes[0].lines}
    assert marks[NO_FLOW] == ""
    assert marks["score"] not in ("", "None")


def test_an_axis_of_trained_epochs_has_no_place_for_the_untrained_flow() -> None:
    for first, begins_below_zero in ((0.0, True), (1.0, False)):
        table = {"": rows(first)}
        axis = line_panels(table, "epoch", "mean", "score", epoch_axis, "AUROC", 3.0).axes[0]
        assert (axis.get_xlim()[0] < 0) == begins_below_zero
        assert (0 in axis.get_xticks()) == begins_below_zero


def test_of_small_panels_those_at_the_bottom_have_the_labels() -> None:
    tables = {str(i): rows() for i in range(5)}
    figure = small_multiples(tables, "epoch", "mean", "score", images_axis, "AUROC")
    figure.canvas.draw()
    shown = [
        any(label.get_visible() and label.get_text() for label in axis.get_xticklabels())
        for axis in figure.axes[:5]
    ]
    # Three in a row: the third has no panel below it.
    assert shown == [False, False, True, True, True]
    assert [axis.xaxis.label.get_visible() for axis in figure.axes[:5]] == shown
