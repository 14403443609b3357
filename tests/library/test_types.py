"""Values of another type or size than asked for, which would fail later or count as something."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import earlyglow as eg


def flow() -> eg.Glow:
    torch.manual_seed(0)
    return eg.Glow((1, 4, 4), levels=1, steps=1, hidden=2)


def images(count: int) -> Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5


def small_digits(count: int = 64) -> eg.ImageSet:
    return eg.load_images("digits", "train", limit=count).matched_to((1, 4, 4))


def masked() -> object:
    return np.ma.masked_array([0.0, 1.0, 100.0], mask=[0, 0, 1])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (masked(), "masked; leave them out by"),
        (["0.1", "0.2"], "they are texts"),
        ([0.1, "0.2"], "they are texts"),
        (np.array([b"1", b"2"]), "they are texts"),
        (np.array(["2020", "2021"], dtype="datetime64[Y]"), "they are dates"),
        (np.array([1, 2], dtype="timedelta64[s]"), "they are times"),
        ([10**400, 1], "too large"),
        (torch.ones(2).to_sparse(), "Sparse"),
    ],
)
def test_scores_that_numpy_would_make_numbers_of_are_refused(values: object, reason: str) -> None:
    for measure in (eg.auroc, eg.aupr, eg.overlap_coefficient):
        with pytest.raises(TypeError, match=reason):
            measure([1.0, 2.0], values)  # type: ignore[arg-type]


def test_a_mask_that_hides_nothing_is_no_fault() -> None:
    assert eg.auroc(np.ma.masked_array([0.0, 1.0], mask=[0, 0]), [2.0, 3]) == 1.0


@pytest.mark.parametrize("seed", [1.5, -1, "a", None, True])
def test_seeds_of_intervals_are_whole_numbers(seed: object) -> None:
    scores = [1.0, 2.0, 3.0], [2.5, 3.0, 4.0]
    with pytest.raises(ValueError, match=r"seed is .*whole number of at least 0"):
        eg.auroc_interval(*scores, method="bootstrap", seed=seed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"seed is .*whole number of at least 0"):
        eg.overlap_interval(*scores, resamples=10, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", ["0.95", None, 95, True, math.nan])
def test_true_positive_rates_are_numbers(share: object) -> None:
    with pytest.raises(ValueError, match=r"tpr is .*above 0 and at most 1"):
        eg.fpr_at_tpr([1.0, 2.0], [3.0], tpr=share)  # type: ignore[arg-type]


@pytest.mark.parametrize("bandwidth", [0, -1, "scott", math.inf, True])
def test_bandwidths_are_positive_numbers(bandwidth: object) -> None:
    with pytest.raises(ValueError, match=r"bandwidth is .*finite number above 0\."):
        eg.overlap_coefficient([1.0, 2.0], [1.0, 3.0], bandwidth=bandwidth)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["scores", "calibration"])
def test_p_values_are_of_tensors(what: str) -> None:
    given: dict[str, object] = {"scores": torch.ones(3), "calibration": torch.ones(5)}
    given[what] = [1.0, 2.0]
    with pytest.raises(TypeError, match=f"{what} is of type list"):
        eg.conformal_p_values(**given)  # type: ignore[arg-type]
    for shape in ((0,), (2, 2)):
        with pytest.raises(ValueError, match="calibration has shape"):
            eg.conformal_p_values(torch.ones(3), torch.ones(shape))


def test_what_is_combined_are_detectors() -> None:
    with pytest.raises(TypeError, match="Tensor is no detector that can be combined"):
        eg.combine([torch.ones(3), torch.ones(3)])  # type: ignore[list-item]


@pytest.mark.parametrize("model", [None, eg.Glow, "glow", lambda x: x])
def test_detectors_are_of_modules(model: object) -> None:
    for kind in (eg.LayerGradientDetector, eg.LikelihoodDetector, eg.TypicalityDetector):
        with pytest.raises(TypeError, match=r"the model is .*instance of a torch\.nn\.Module"):
            kind(model)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fraction", "0.1"),
        ("fraction", True),
        ("temperature", "1"),
        ("temperature", math.inf),
        ("exact", "no"),
        ("exact", None),
    ],
)
def test_settings_of_a_short_circuit_are_of_their_types(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{name} is {value!r}, but it must be"):
        eg.GradientShortCircuit(nn.Flatten(), nn.Linear(4, 2), **{name: value})  # type: ignore[arg-type]


def test_a_short_circuit_is_made_of_modules_and_a_function() -> None:
    with pytest.raises(TypeError, match="the body is"):
        eg.GradientShortCircuit(lambda x: x, nn.Linear(4, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the head is"):
        eg.GradientShortCircuit(nn.Flatten(), nn.Linear)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="importance is 'gradient'"):
        eg.GradientShortCircuit(nn.Flatten(), nn.Linear(4, 2), importance="gradient")  # type: ignore[arg-type]


def network() -> tuple[nn.Module, nn.Module]:
    return nn.Flatten(), nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize("importance", [lambda f, _: f.sum(), lambda f, _: f * math.nan])
def test_importances_are_one_number_for_each_feature(importance: object) -> None:
    detector = eg.GradientShortCircuit(*network(), importance=importance)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="importance gives"):
        detector.predict(images(3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_features_of_whole_numbers_are_named(dtype: torch.dtype) -> None:
    detector = eg.GradientShortCircuit(*network())
    for score in (detector.predict, detector.predict_features):
        with pytest.raises(TypeError, match=f"features have dtype {dtype}"):
            score(images(3).to(dtype))


@pytest.mark.parametrize("features", [torch.zeros(3, 15), torch.zeros(3, 16).double()])
def test_features_that_a_head_does_not_take_are_named(features: Tensor) -> None:
    with pytest.raises(ValueError, match=rf"does not take features of dtype {features.dtype}"):
        eg.GradientShortCircuit(*network()).predict_features(features)


def test_a_short_circuit_of_no_images_gives_no_scores() -> None:
    assert eg.GradientShortCircuit(*network()).predict(images(0)).shape == (0,)


def test_a_training_takes_its_own_settings(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"config is \{'epochs'"):
        eg.train(flow(), small_digits(), {"epochs": (1,)}, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"augmentation is 'flip'.*\('flip',\)"):
        eg.TrainingConfig(epochs=(1,), augmentation="flip")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [2.5, "3", True])
def test_samples_are_counted(count: object) -> None:
    with pytest.raises(ValueError, match=r"n is .*whole number"):
        flow().sample(count)  # type: ignore[arg-type]


def test_networks_are_split_at_names() -> None:
    with pytest.raises(TypeError, match="the network is"):
        eg.split(lambda x: x, at="1")  # type: ignore[arg-type]
    with pytest.raises(eg.short_circuit.SplitError, match="there is no module 1 among"):
        eg.split(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), at=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [eg.ImageStatisticsDetector, eg.LayerCovarianceDetector])
def test_too_few_images_for_a_covariance_are_said(kind: type) -> None:
    given = () if kind is eg.ImageStatisticsDetector else (flow(),)
    with pytest.raises(ValueError, match="2 groups, too few or too much alike"):
        kind(*given).fit(images(2))


def test_statistics_are_not_of_grey_levels() -> None:
    with pytest.raises(TypeError, match=r"dtype torch\.uint8.*earlyglow\.dequantize"):
        eg.ImageStatisticsDetector().fit(torch.zeros(9, 1, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize("dims", [0, 16.5, (1, 4, 4), "16"])
def test_dimensions_are_counted(dims: object) -> None:
    with pytest.raises(ValueError, match=r"dims is .*whole number of at least 1"):
        eg.bits_per_dim(torch.ones(3), dims)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="log_prob is of type list"):
        eg.bits_per_dim([1.0, 2.0], 16)  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", ["1", None, math.nan, -1])
def test_temperatures_are_numbers(temperature: object) -> None:
    with pytest.raises(ValueError, match=r"temperature is .*number of at least 0"):
        flow().sample(2, temperature=temperature)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the latents are of type list"):
        flow().inverse([1])  # type: ignore[arg-type]
