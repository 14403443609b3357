"""What the page of the hypotheses says of known AUROCs."""

from __future__ import annotations

import pandas as pd
import pytest

from earlyglow_book.chapters.better_score import beside, judgements, losing_pairs, words
from earlyglow_book.tables.hypotheses import judged, pair_aurocs, statistics
from tests.tables.test_hypotheses import FALLING, readings

NAMES = dict(
    zip("abcdef", ("mnist", "kmnist", "omniglot", "celeba", "svhn", "tiny_imagenet"), strict=True)
)


@pytest.fixture(scope="module")
def aurocs() -> pd.DataFrame:
    table = readings(FALLING).replace({"id_dataset": NAMES, "ood": NAMES})
    flows = pd.MultiIndex.from_frame(table[["id_dataset", "model", "seed"]].drop_duplicates())
    return pair_aurocs(table, 10, pd.Series(200, flows))


def test_every_hypothesis_has_a_row(aurocs: pd.DataFrame) -> None:
    table = judgements(judged(statistics(aurocs)))
    assert table.index.tolist() == ["H1", "H2a", "H2b", "H3", "H4 early", "H4 late"]
    assert table.loc["H1", "outcome"] == "holds"
    assert table.loc["H4 late", "outcome"] == "does not hold"


def test_parts_have_readers_names(aurocs: pd.DataFrame) -> None:
    rows = beside(statistics(aurocs))
    assert {"all", "grey sets", "colour sets", "Glow", "DenseGlow", "without SVHN"} <= set(
        rows.index
    )


def test_the_pairs_that_lose_most_come_first(aurocs: pd.DataFrame) -> None:
    worse = aurocs.copy()
    pair = (worse.index.get_level_values("id_dataset") == "mnist") & (
        worse.index.get_level_values("ood") == "svhn"
    )
    worse.loc[pair, ("late", "neighbours")] = 0.3
    table = losing_pairs(statistics(worse), worse)
    assert table.index[0][:2] == ("MNIST", "SVHN")
    assert table.iloc[0]["difference"] == pytest.approx(0.3 - 0.7, abs=0.02)


def test_words(aurocs: pd.DataFrame) -> None:
    numbers = statistics(aurocs)
    found = words(judged(numbers), aurocs, numbers)
    assert (found["flows"], found["seeds"], found["pairs"]) == ("36", "3", "30")
    assert found["h1_outcome"] == "holds"
    assert float(found["neighbours_late"]) == pytest.approx(0.86, abs=0.005)
    assert found["losing"] == "0"
