"""What the explorer's scripts hold is what is stored, and its pictures are drawn from it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from earlyglow.datasets import DATASETS
from earlyglow_book import results
from earlyglow_book.chapters.explorer import (
    Explorer,
    ReadingName,
    all_pairs,
    checkpoint_table,
    early_and_late,
    of_pair,
    pair_over_checkpoints,
    read_rows,
    words,
)
from earlyglow_book.chapters.explorer.pictures import roc
from earlyglow_book.chapters.explorer.scripts import (
    READINGS,
    checkpoint_title,
    trimmed,
    write_scripts,
)
from earlyglow_book.experiment import result_of
from earlyglow_book.parameters import ParameterError

EDGES = np.linspace(-4, 4, 101)


def counts(scores: np.ndarray) -> np.ndarray:
    return np.histogram(np.clip(scores, -4, 4), EDGES)[0].astype(np.uint16)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The written scripts' values by file name."""
    folder = tmp_path_factory.mktemp("scripts")
    write_scripts(folder)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    return {name: json.loads(text[text.index(" = ") + 3 :]) for name, text in texts.items()}


def test_every_published_sweep_has_a_script(scripts: dict[str, dict]) -> None:
    folders = results.result_folders("readings", only_published=True)
    names = {folder.name for folder in folders}
    assert names
    assert set(scripts) == {*names, "index"}
    assert set(scripts["index"]["flows"]) == names


def test_scripts_hold_the_stored_numbers(scripts: dict[str, dict]) -> None:
    """Every AUROC, interval and histogram of every sweep, in the other direction."""
    for name, flow in scripts["index"]["flows"].items():
        (folder,) = results.committed_folder().glob(f"readings/{name}")
        tables = {n: pd.read_parquet(folder / f"{n}.parquet") for n in ("readings", "histograms")}
        epochs = sorted(tables["readings"]["epoch"].unique())
        seen = 0
        for row in tables["readings"].itertuples():
            column = f"{f'{row.detector} {row.objective}'.strip()}|{row.group_size}"
            if column not in flow["aurocs"]:
                continue
            at, ood = epochs.index(row.epoch), flow["ood"].index(row.ood)
            assert flow["aurocs"][column][at][ood] == float(f"{row.auroc:.3f}")
            interval = scripts[name][column][at]["intervals"][row.ood]
            assert interval == [float(f"{end:.3f}") for end in (row.low, row.high)]
            seen += 1
        assert seen == sum(np.size(values) for values in flow["aurocs"].values())
        for row in tables["histograms"].itertuples():
            column = f"{f'{row.detector} {row.objective}'.strip()}|{row.group_size}"
            if column in scripts[name]:
                written = scripts[name][column][epochs.index(row.epoch)]
                first, *values = written["counts"][row.dataset]
                full = np.zeros(100, int)
                full[first : first + len(values)] = values
                assert full.tolist() == np.frombuffer(row.counts, np.uint16).tolist()
                assert (written["low"], written["high"]) == (row.low, row.high)


def test_zeros_on_both_sides_are_left_out() -> None:
    values = np.array([0, 0, 3, 0, 7, 0], np.uint16)
    assert trimmed(values.tobytes()) == [2, 3, 0, 7]


def test_roc_of_bins_is_that_of_the_binned_scores() -> None:
    generator = np.random.default_rng(0)
    of_id, of_ood = generator.normal(0, 1, 1000), generator.normal(0.8, 1.5, 500)
    x, y = roc(counts(of_id), counts(of_ood))
    binned = np.clip(np.digitize(np.concatenate((of_id, of_ood)), EDGES), 1, 100)
    labels = np.repeat([0, 1], [1000, 500])
    false, true, _ = roc_curve(labels, binned, drop_intermediate=False)
    both = np.unique(np.stack((x, y)), axis=1)
    assert both == pytest.approx(np.unique(np.stack((false, true)), axis=1))
    exact = roc_auc_score(labels, np.concatenate((of_id, of_ood)))
    assert np.trapezoid(y, x) == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize(
    ("epoch", "title"),
    [(0, "untrained"), (0.01, "1 step"), (0.1, "8 steps"), (1, "epoch 1"), (200.0, "epoch 200")],
)
def test_checkpoints_before_the_first_epoch_are_named_by_their_steps(
    epoch: float, title: str
) -> None:
    assert checkpoint_title(epoch, {"images_per_epoch": 5000, "batch_size": 64}) == title


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group_size": 3}, "group_size is 3, but it must be 1 or 5."),
        ({"ood_dataset": "mnist"}, "no OOD set 'mnist'"),
        ({"reading": "likelyhood"}, "Did you mean 'likelihood'?"),
    ],
)
def test_bad_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message.replace("?", r"\?")):
        Explorer(**values)


def test_the_readings_are_those_of_the_parameter() -> None:
    assert ReadingName.__args__ == tuple(READINGS)


def test_a_reading_that_is_not_there_is_one_sentence() -> None:
    chapter = Explorer(reading="layer_gradients sum_z", profile="paper_short")
    tables = result_of_published(chapter)
    with pytest.raises(ValueError, match="not read by 'layer_gradients sum_z'; choose another"):
        of_pair(chapter, tables["readings"])


def result_of_published(chapter: Explorer) -> results.Tables:
    return results.find_published(chapter.sweep.inputs_on_trust()).tables


def test_the_still_picture_and_the_words_are_of_the_stored_pair() -> None:
    chapter = Explorer(ood_dataset="svhn")
    tables = result_of_published(chapter)
    rows = tables["readings"].query(
        "detector == 'layer_gradients' and objective == 'log_prob' and ood == 'svhn'"
        " and group_size == 1"
    )
    figure = pair_over_checkpoints(chapter, tables)
    assert figure.axes[3].lines[0].get_ydata() == pytest.approx(rows.sort_values("epoch")["auroc"])
    assert early_and_late(chapter) == (10, 200)
    told = words(chapter, tables, read_rows(chapter, tables["readings"]))
    for name, epoch in (("start", 0), ("early", 10), ("late", 200)):
        value = rows.loc[rows["epoch"] == epoch, "auroc"].item()
        assert told[f"auroc_{name}"].startswith(f"{value:.3f} [")
    assert len(checkpoint_table(chapter, tables)) == rows["epoch"].nunique()


def test_the_still_map_has_grey_and_colour_apart() -> None:
    chapter = Explorer()
    rows = read_rows(chapter, result_of_published(chapter)["readings"])
    kinds = {DATASETS[name].shape[0] for name in rows.query("model == 'glow'")["id_dataset"]}
    axes = all_pairs(chapter, rows).axes
    titles = [axis.get_title() for axis in axes if axis.get_title()]
    assert len(titles) == 2 * len(kinds)
    assert {"colour, epoch 10", "colour, epoch 200"} <= set(titles)


def test_a_flow_of_ones_own_stands_beside_the_published_ones() -> None:
    chapter = Explorer("digits", profile="smoke")
    readings = result_of(chapter.sweep).tables["readings"]
    rows = read_rows(chapter, readings)
    assert len(rows) == len(readings)
    assert set(rows["id_dataset"]) == {"digits"}
    assert len(read_rows(Explorer(), readings)) > len(readings)
