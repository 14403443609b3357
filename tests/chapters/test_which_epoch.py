"""What each criterion chooses for statistics that are known, and what it costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from earlyglow_book.chapters.which_epoch import (
    LAST,
    NEIGHBOURS,
    PAPER,
    epoch_choices,
    joint_choices,
    mean_regrets,
    reading_choices,
    regret_rows,
    regret_table,
    tuned_elsewhere,
)

EPOCHS = (0.1, 10.0, 200.0)


def statistics(**changes: tuple[float, ...]) -> pd.DataFrame:
    rows = {
        "bits_fit": (8.0, 3.0, 3.5),
        "sharpness": (0.1, 0.3, 0.2),
        "participation_ratio": (9.0, 5.0, 7.0),
        "loss_entropy": (1.0, 2.0, 3.0),
        "spread_ratio": (0.0, 0.1, -0.4),
        "split_half_stability": (0.9, 0.8, 0.7),
        "p_value_distance": (0.1, 0.02, 0.3),
        "blurred_paper": (0.6, 0.7, 0.5),
        "noisy_paper": (0.6, 0.5, 0.8),
        "blurred_neighbours": (0.7, 0.8, 0.95),
        "noisy_neighbours": (0.9, 0.6, 0.7),
    } | changes
    return pd.DataFrame(rows, index=EPOCHS).T.rename_axis("statistic")


def test_each_criterion_takes_the_epoch_that_it_names() -> None:
    chosen = {n: epoch for n, (epoch, _) in epoch_choices(statistics(), PAPER, 10.0).items()}
    assert chosen == {
        "first epoch": 0.1,
        "50,000 images": 10.0,
        LAST: 200.0,
        "fewest bits on the fit half": 10.0,
        "sharpest log norms": 10.0,
        "most effective dimensions": 0.1,
        "evenest losses": 200.0,
        "narrowest training norms": 200.0,
        "stablest halves": 0.1,
        "training images nearest": 10.0,
        "best on blurred images": 10.0,
        "best on noisy images": 200.0,
        "best on all made images": 200.0,
    }


def test_readings_are_chosen_by_made_images() -> None:
    assert reading_choices(statistics())["best on all made images"] == (200.0, NEIGHBOURS)
    better = statistics(blurred_paper=(0.6, 0.7, 0.99), noisy_paper=(0.6, 0.5, 0.99))
    assert reading_choices(better)["best on all made images"] == (200.0, PAPER)
    assert joint_choices(better, 10.0)["best on all made images"] == (200.0, PAPER)


def half_aurocs(values: dict[tuple[str, str], tuple[float, ...]]) -> pd.DataFrame:
    """AUROCs of neighbours at the epochs for each pair, the same in both halves."""
    index = pd.MultiIndex.from_tuples(
        [(own, "glow", 0, ood) for own, ood in values], names=["id_dataset", "model", "seed", "ood"]
    )
    columns = pd.MultiIndex.from_product(
        [(0, 1), EPOCHS, (NEIGHBOURS,)], names=["half", "epoch", "detector"]
    )
    return pd.DataFrame([2 * row for row in values.values()], index, columns)


PAIRS = {
    ("mnist", "kmnist"): (0.9, 0.8, 0.7),
    ("kmnist", "omniglot"): (0.6, 0.9, 0.8),
    ("omniglot", "svhn"): (0.6, 0.7, 0.9),
    ("celeba", "svhn"): (0.5, 0.6, 0.95),
}


def test_tuning_does_not_see_the_set_it_is_for_in_any_role() -> None:
    aurocs = half_aurocs(PAIRS)
    means = {e: np.mean([PAIRS[p][i] for p in list(PAIRS)[2:]]) for i, e in enumerate(EPOCHS)}
    assert tuned_elsewhere(aurocs, "kmnist") == (max(means, key=means.__getitem__), NEIGHBOURS)
    changed = half_aurocs(
        PAIRS | {("mnist", "kmnist"): (9, 0, 0), ("kmnist", "omniglot"): (9, 0, 0)}
    )
    assert tuned_elsewhere(changed, "kmnist") == tuned_elsewhere(aurocs, "kmnist")


def test_regret_against_hand() -> None:
    names = ("mnist", "kmnist", "omniglot", "celeba")
    flows = [{"id_dataset": name, "model": "glow", "seed": 0} for name in names]
    id_only = pd.concat(
        statistics()
        .stack()
        .rename("value")
        .rename_axis(["statistic", "epoch"])
        .reset_index()
        .assign(**flow)
        for flow in flows
    )
    rows = regret_rows(half_aurocs(PAIRS), id_only, 10.0, NEIGHBOURS)
    expected = {pair: max(values) - values[-1] for pair, values in PAIRS.items()}
    found = rows[LAST].droplevel(["model", "seed"])
    assert found.to_dict() == pytest.approx(expected)
    table = regret_table(rows, LAST)
    assert table.loc[LAST, "loses > .05"] == "50%"
    assert float(table.loc[LAST, "regret"].split()[0]) == pytest.approx(
        np.mean([*expected.values()])
    )


def test_a_pair_of_sets_counts_once_whatever_its_models() -> None:
    index = pd.MultiIndex.from_tuples(
        [
            ("kmnist", "glow", 0, "mnist"),
            ("kmnist", "dense_glow", 0, "mnist"),
            ("celeba", "glow", 0, "svhn"),
        ],
        names=["id_dataset", "model", "seed", "ood"],
    )
    regrets = pd.DataFrame({"early": [0.0, 0.0, 0.3], "late": [0.2, 0.2, 0.0]}, index)
    # Over rows the early epoch would be the better one.
    assert mean_regrets(regrets).idxmin() == "late"
    assert list(regret_table(regrets, "late").index) == ["late", "early"]
