"""The rule of convergence against flows whose bits are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow_book.tables.maturity import State, late_epochs, maturity_table

FLOW = {"id_dataset": "digits", "model": "glow", "seed": 0}


def flow(means: dict[float, float], cooled: float, noise: float = 0.01) -> tuple[pd.DataFrame, ...]:
    """Bits of 400 images at each epoch, and after cooling; images differ far more than epochs."""
    generator = np.random.default_rng(0)
    images = 3 * generator.standard_normal(400)

    def bits(mean: float) -> pd.DataFrame:
        values = mean + images + noise * generator.standard_normal(400)
        return pd.DataFrame({"item": range(400), "bits": values}).assign(**FLOW)

    rows = pd.concat([bits(mean).assign(epoch=epoch) for epoch, mean in means.items()])
    return rows, bits(cooled)


@pytest.mark.parametrize(
    ("means", "cooled", "expected"),
    [
        ({0: 8, 50: 3.2, 100: 3.01, 200: 3.0}, 2.99, State.CONVERGED),
        ({0: 8, 50: 3.2, 100: 3.01, 200: 3.0}, 2.97, State.LEARNING),
        ({0: 8, 50: 3.2, 100: 3.05, 200: 3.0}, 3.0, State.LEARNING),
        ({0: 8, 50: 3.2, 100: 3.0, 200: 3.1}, 3.1, State.OVERFITTED),
        ({0: 2, 50: 3.2, 100: 3.05, 200: 3.0}, 3.0, State.LEARNING),
    ],
)
def test_states(means: dict[float, float], cooled: float, expected: State) -> None:
    (judged,) = maturity_table(*flow(means, cooled)).itertuples()
    assert judged.state == expected


def test_what_the_images_do_not_tell_is_not_converged() -> None:
    """The mean lies inside the margin, its interval does not."""
    (judged,) = maturity_table(*flow({0: 8, 100: 3.01, 200: 3.0}, 3.0, noise=0.3)).itertuples()
    assert abs(judged.doubling) < 0.04
    assert judged.state == State.LEARNING


def test_late_has_the_fewest_bits_of_the_trained_ones() -> None:
    rows, _ = flow({0: 2, 50: 3.2, 100: 3.0, 200: 3.1}, 3.1)
    assert late_epochs(rows).to_list() == [100]


def test_intervals_are_paired() -> None:
    rows, cooled = flow({0: 8, 100: 3.1, 200: 3.0}, 2.9)
    (judged,) = maturity_table(rows, cooled).itertuples()
    first, last = (rows[rows["epoch"] == epoch]["bits"].to_numpy() for epoch in (100, 200))
    expected = stats.ttest_rel(last, first).confidence_interval()
    assert (judged.doubling_low, judged.doubling_high) == pytest.approx(tuple(expected))


def test_a_flow_without_half_of_its_last_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="no checkpoint at epoch 100"):
        maturity_table(*flow({0: 8, 50: 3.1, 200: 3.0}, 2.9))
