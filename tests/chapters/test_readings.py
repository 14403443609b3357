"""Other readings of the norms, against NumPy, scikit-learn and the older sweep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA

import earlyglow as eg
from earlyglow.datasets import halves_of_clusters, near_duplicates
from earlyglow_book.chapters.readings import Readings, float32_error, words
from earlyglow_book.experiment import result_of
from earlyglow_book.results import Result, Tables
from tests.chapters.studies import SMOKE, flow_and_sets, sweep_aurocs

STUDY = Readings(**SMOKE)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tables(home: object) -> Iterator[Tables]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARLYGLOW_CACHE", str(home))
        patch.delenv("EARLYGLOW_DATA", raising=False)
        patch.delenv("EARLYGLOW_RESULTS", raising=False)
        yield result_of(STUDY).tables


def log_norms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised log norms of fit images, ID and OOD images under the last checkpoint."""
    flow, _, pixels = flow_and_sets(STUDY)
    norms = [
        eg.layer_gradient_norms(flow.double(), pixels[name].double()).values.numpy()
        for name in ("fit", "digits", "textures")
    ]
    kept = (norms[0] > 0).all(0)
    logs = [np.log(values[:, kept]) for values in norms]
    mean, deviation = logs[0].mean(0), logs[0].std(0, ddof=1)
    fit, inside, outside = ((values - mean) / deviation for values in logs)
    return fit, inside, outside


def auroc_of(tables: Tables, detector: str, objective: str = "log_prob") -> float:
    rows = tables["readings"].query(
        "detector == @detector and objective == @objective and group_size == 1 and epoch == 1"
    )
    (value,) = rows["auroc"]
    return value


@pytest.mark.parametrize("objective", ["log_prob", "sum_z"])
def test_the_papers_score_is_that_of_the_epoch_sweep(tables: Tables, objective: str) -> None:
    for size in (1, 5):
        rows = tables["readings"].query(
            "detector == 'layer_gradients' and objective == @objective and group_size == @size"
        )
        found = rows.set_index("epoch")["auroc"]
        expected = sweep_aurocs(STUDY, "layer_gradients", objective, size)
        pd.testing.assert_series_equal(found, expected, check_names=False)
    likelihood = tables["readings"].query("detector == 'likelihood' and group_size == 1")
    pd.testing.assert_series_equal(
        likelihood.set_index("epoch")["auroc"],
        sweep_aurocs(STUDY, "likelihood", ""),
        check_names=False,
    )


def test_readings_and_curve_from_scratch(tables: Tables) -> None:
    fit, inside, outside = log_norms()
    distances = (
        np.sort(np.linalg.norm(rows[:, None] - fit, axis=2), axis=1)[:, :5].mean(1)
        for rows in (inside, outside)
    )
    expected = eg.auroc(*map(torch.from_numpy, distances))
    assert auroc_of(tables, "neighbours") == pytest.approx(expected, abs=1e-3)
    axes = PCA().fit(fit).components_
    curve = tables["curve"].query("objective == 'log_prob' and epoch == 1").set_index("axes")
    for count in (0, 1, 5):
        left = [
            (rows**2).sum(1) - ((rows @ axes[:count].T) ** 2).sum(1) for rows in (inside, outside)
        ]
        expected = eg.auroc(*map(torch.from_numpy, left))
        assert curve.loc[count, "auroc"] == pytest.approx(expected, abs=1e-3)
    assert curve.loc[5, "auroc"] == pytest.approx(auroc_of(tables, "residual"))


def test_the_control_is_one_number_at_every_epoch(tables: Tables) -> None:
    _, sets, _ = flow_and_sets(STUDY)
    x = {name: eg.datasets.centre(images.images) for name, images in sets.items()}
    detector = eg.ImageStatisticsDetector().fit(x["fit"])
    expected = eg.auroc(detector.predict(x["digits"]), detector.predict(x["textures"]))
    rows = tables["readings"].query("detector == 'no_flow' and group_size == 1")
    assert rows["auroc"].tolist() == pytest.approx([expected] * 3)


def test_what_id_images_tell_from_scratch(tables: Tables) -> None:
    fit, _, _ = log_norms()
    rows = tables["id_only"].query("objective == 'log_prob' and epoch == 1")
    found = rows.set_index("statistic")["value"]
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(fit.T))
    ratio = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert found["participation_ratio"] == pytest.approx(ratio, rel=1e-3)
    flow, _, pixels = flow_and_sets(STUDY)
    norms = eg.layer_gradient_norms(flow, pixels["fit"]).values.double().numpy()
    deviations = np.log(norms[:, (norms > 0).all(0)]).std(0, ddof=1)
    assert found["sharpness"] == pytest.approx(-np.log(deviations).mean(), rel=1e-4)
    bits = eg.bits_per_dim(flow.log_prob(pixels["digits"]).detach().double(), flow.dims)
    assert found["bits_eval"] == pytest.approx(float(bits.mean()))
    made = {"blurred", "noisy", "patches shuffled", "latent tails"}
    assert {f"{name}_paper" for name in made} <= set(found.index)
    assert found.drop(list(found.filter(like="_paper").index)).notna().all()


def test_histograms_hold_every_score(tables: Tables) -> None:
    for _, row in tables["histograms"].iterrows():
        counts = np.frombuffer(row["counts"], dtype=np.uint16)
        assert len(counts) == 100
        assert counts.sum() == 60 // row["group_size"]


def test_cooling_goes_on_from_the_last_checkpoint(tables: Tables) -> None:
    """A tenth of the rate for one step of twenty: the bits hardly move, and do move."""
    last = tables["fit_bits"].query("epoch == 1")["bits"].to_numpy()
    cooled = tables["cooled"]["bits"].to_numpy()
    assert len(cooled) == len(last) == 60
    assert 0 < np.abs(cooled - last).mean() < 0.05


def test_near_duplicates_stay_together() -> None:
    generator = torch.Generator().manual_seed(0)
    originals = torch.randint(0, 256, (40, 1, 8, 8), generator=generator)
    noise = torch.randint(-3, 4, (40, 1, 8, 8), generator=generator)
    copies = (originals + noise).clamp(0, 255)
    images = torch.cat((originals, copies, originals[:5])).to(torch.uint8)
    clusters = near_duplicates(images, 0.9)
    assert clusters[:40].tolist() == clusters[40:80].tolist()
    assert clusters[:5].tolist() == clusters[80:].tolist()
    assert len(clusters.unique()) == 40
    fit, evaluate = halves_of_clusters(clusters)
    assert not set(clusters[fit].tolist()) & set(clusters[evaluate].tolist())
    assert sorted(torch.cat((fit, evaluate)).tolist()) == list(range(85))
    assert 36 <= len(fit) <= 42


def test_words_say_where_the_paper_began(tables: Tables) -> None:
    found = words(STUDY, tables)
    assert found["late"] == "1"
    assert found["no_flow"] == f"{auroc_of(tables, 'no_flow', ''):.3f}"
    gain = auroc_of(tables, "neighbours") - auroc_of(tables, "layer_gradients")
    assert found["gain"] == f"{gain:+.3f}"


def test_errors_are_those_of_the_manifest() -> None:
    manifest = {"facts": {"log_norm_errors": {"float32": {"median": 0.00012, "99%": 0.0034}}}}
    found = float32_error(Result({}, manifest, Path()))
    assert "off by 0.00012 (median) and 0.0034 (99 of 100)" in found
    assert "not computed again" in float32_error(Result({}, {"facts": {}}, Path()))


def test_statistics_that_need_scipy_are_scipys(tables: Tables) -> None:
    """The distance between training and held-out images' neighbour scores lies in [0, 1]."""
    distances = tables["id_only"].query("statistic == 'p_value_distance'")["value"]
    assert distances.between(0, 1).all()
    assert stats.ks_2samp([0.0], [1.0]).statistic == 1.0
