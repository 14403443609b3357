"""Students' files are run apart, judged on what they have not seen, and ranked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from earlyglow_book.classroom.leaderboard import Pair, rank, recorded_pairs

FILES = {
    "distance": "import numpy as np\ndef score(fit, new):\n"
    "    return np.abs(new - fit.mean(0)).sum(1)\n",
    "upside_down": "def score(fit, new):\n    return -((new - fit.mean(0)) ** 2).sum(1)\n",
    "order_of_rows": "import numpy as np\ndef score(fit, new):\n    return np.arange(len(new))\n",
    "slow": "import time\ndef score(fit, new):\n    time.sleep(60)\n",
    "fails": "def score(fit, new):\n    return fit.no_such_thing\n",
    "wrong_shape": "def score(fit, new):\n    return new\n",
    "not_numbers": "def score(fit, new):\n    return new[:, 0] * float('nan')\n",
    "nothing": "x = 1\n",
    "leaves": "import sys\ndef score(fit, new):\n    sys.exit(0)\n",
    "looks_around": "import os\nassert 'SECRET' not in os.environ\n"
    "def score(fit, new):\n    return new[:, 0]\n",
}
REASONS = {
    "slow": "it took longer than 2 seconds, and was stopped.",
    "fails": "AttributeError: 'numpy.ndarray' object has no attribute 'no_such_thing'",
    "wrong_shape": "score returned shape (130, 4), but 130 images need (130,).",
    "not_numbers": "score returned 130 values that are NaN or infinite.",
    "leaves": "it ended before it gave scores for every pair.",
    "nothing": "the file defines no function score(fit, new).",
}


def _pair(shift: float) -> Pair:
    rng = np.random.default_rng(int(shift * 10))
    return Pair(rng.normal(size=(50, 4)), rng.normal(size=(60, 4)), rng.normal(shift, 1, (70, 4)))


PAIRS = {"near": _pair(0.5), "far": _pair(2.0)}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    folder = tmp_path_factory.mktemp("entries")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "1")
        yield rank(folder, PAIRS, time_limit=2).set_index("entry")


def test_scores_are_judged_by_the_right_labels(table: pd.DataFrame) -> None:
    """The images were mixed for the student; here they are not."""
    areas = []
    for pair in PAIRS.values():
        new = np.vstack((pair.id_images, pair.ood_images))
        scores = np.abs(new - pair.fit.mean(0)).sum(1)
        areas.append(roc_auc_score([0] * 60 + [1] * 70, scores))
    assert table.loc["distance", "mean_auroc"] == pytest.approx(np.mean(areas))
    assert table.loc["distance", "worst_auroc"] == pytest.approx(min(areas))
    assert table.loc["distance", "worst_pair"] == "near"


def test_the_order_of_the_images_tells_nothing(table: pd.DataFrame) -> None:
    assert abs(table.loc["order_of_rows", "mean_auroc"] - 0.5) < 0.1


def test_the_best_stand_first_and_the_failed_last(table: pd.DataFrame) -> None:
    ranked = table[table["rank"].notna()]
    assert list(ranked["mean_auroc"]) == sorted(ranked["mean_auroc"], reverse=True)
    assert list(table.index[: len(ranked)]) == list(ranked.index)
    assert list(ranked["rank"]) == list(range(1, len(ranked) + 1))
    assert "(the paper's score)" in ranked.index
    assert ranked.index[-1] == "upside_down"
    assert set(table.index) - set(ranked.index) == set(REASONS)


@pytest.mark.parametrize("entry", REASONS)
def test_what_is_wrong_with_a_file_is_said(entry: str, table: pd.DataFrame) -> None:
    assert table.loc[entry, "problem"] == REASONS[entry]


def test_a_file_sees_no_settings_of_the_teacher(table: pd.DataFrame) -> None:
    assert table.loc["looks_around", "problem"] == ""


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there are 0 files that end in \.py in .* and 2 pairs"):
        rank(tmp_path, PAIRS)


def test_the_recorded_pairs_are_whole_and_their_halves_differ() -> None:
    for name, pair in recorded_pairs().items():
        for part in (pair.fit, pair.id_images, pair.ood_images):
            assert np.isfinite(part).all(), name
            assert part.shape[1] == pair.fit.shape[1]
        assert (pair.fit.std(0) > 0).all()
        assert not (pair.fit[:1] == pair.id_images).all(1).any()
