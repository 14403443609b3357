"""Classifiers: whitening, training with resume, calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from earlyglow.classifiers import (
    ClassifierConfig,
    SmallCNN,
    SmallResNet,
    build_classifier,
    calibration_error,
    predicted_logits,
    train_classifier,
)
from earlyglow.classifiers.networks import whitening_filters
from earlyglow.datasets import ImageSet, centre, load_images
from earlyglow.training import CheckpointError, NonFiniteLossError


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load_images("digits", "train").take(torch.arange(400))


CONFIG = ClassifierConfig(epochs=3, batch_size=50, learning_rate=0.1, augmentation=("shift",))


def test_whitened_patches_are_uncorrelated() -> None:
    images = centre(load_images("textures", "train", limit=300).images)
    filters = whitening_filters(images)
    responses = nn.functional.conv2d(images, filters).transpose(0, 1).flatten(1)
    covariance = np.cov(responses[:12].numpy())
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-3
    # The floor keeps directions of no variance small; no direction exceeds unit variance.
    assert np.diag(covariance).max() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(responses[12:], -responses[:12], atol=1e-5, rtol=0)


def test_the_network_fits_the_images() -> None:
    textures, digits = load_images("textures", "train", limit=20), load_images("digits", "train")
    textures = replace(textures, labels=torch.arange(20) % 4)
    colour, grey = build_classifier(textures, 8, 0), build_classifier(digits, 4, 0)
    assert isinstance(colour, SmallResNet)
    assert isinstance(grey, SmallCNN)
    assert predicted_logits(colour, centre(textures.images)).shape == (20, 4)
    assert predicted_logits(grey, centre(digits.images[:7])).shape == (7, 10)


def test_features_before_the_last_layer_are_not_negative() -> None:
    model = SmallResNet(3, 4).eval()
    x = model.start(model.whiten(torch.rand(2, 3, 32, 32) - 0.5))
    assert (model.stage3(model.stage2(model.stage1(x))) >= 0).all()


def test_it_learns(digits: ImageSet, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=12)
    trained = train_classifier(build_classifier(digits, 8, 0), digits, config, tmp_path)
    test = load_images("digits", "test")
    logits = predicted_logits(trained.model, centre(test.images))
    assert (logits.argmax(1) == test.labels).float().mean() > 0.7
    assert [record["epoch"] for record in trained.log] == [*range(1, 13)]
    assert trained.log[0]["loss"] > trained.log[-1]["loss"]


def test_a_training_that_was_stopped_ends_with_the_same_weights(
    digits: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_classifier(build_classifier(digits, 4, 0), digits, CONFIG, tmp_path / "a")

    class StopError(Exception):
        pass

    from earlyglow.classifiers import fitting

    save = fitting.save_tensors

    def save_and_stop(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        raise StopError

    monkeypatch.setattr(fitting, "save_tensors", save_and_stop)
    with pytest.raises(StopError):
        train_classifier(build_classifier(digits, 4, 0), digits, CONFIG, tmp_path / "b")
    monkeypatch.setattr(fitting, "save_tensors", save)
    resumed = train_classifier(build_classifier(digits, 4, 0), digits, CONFIG, tmp_path / "b")
    assert resumed.log == whole.log
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_other_labels_or_weights_are_another_training(digits: ImageSet, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1)
    other_labels = replace(digits, labels=digits.labels.flip(0))
    for seed, images in ((0, digits), (1, digits), (0, other_labels)):
        train_classifier(build_classifier(digits, 4, seed), images, config, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_learning_rate_rises_and_falls_to_nothing(digits: ImageSet, tmp_path: Path) -> None:
    from earlyglow.classifiers.fitting import _Session

    session = _Session(SmallCNN(1, 10, 4), digits, replace(CONFIG, epochs=10), tmp_path / "x")
    rates = [session.learning_rate_at(step) for step in range(80)]
    assert max(rates) == rates[19] == pytest.approx(0.1)
    assert rates[0] == pytest.approx(0.1 / 20)
    assert rates[-1] == 0
    assert np.diff(rates[:20]).min() > 0 > np.diff(rates[19:]).max()


def test_images_without_labels_are_refused(digits: ImageSet, tmp_path: Path) -> None:
    unlabelled = replace(digits, labels=torch.full_like(digits.labels, -1))
    with pytest.raises(ValueError, match="digits has images without a label"):
        train_classifier(SmallCNN(1, 10, 4), unlabelled, CONFIG, tmp_path)


def test_a_diverging_training_is_stopped(digits: ImageSet, tmp_path: Path) -> None:
    wild = replace(CONFIG, learning_rate=1e20)
    with pytest.raises(NonFiniteLossError, match=r"lower learning_rate \(it is 1e\+20\)"):
        train_classifier(build_classifier(digits, 4, 0), digits, wild, tmp_path)


def test_a_damaged_state_is_named(digits: ImageSet, tmp_path: Path) -> None:
    train_classifier(build_classifier(digits, 4, 0), digits, replace(CONFIG, epochs=1), tmp_path)
    (state,) = tmp_path.iterdir()
    state.write_bytes(state.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=state.name):
        train_classifier(
            build_classifier(digits, 4, 0), digits, replace(CONFIG, epochs=1), tmp_path
        )


def test_calibration_error_by_hand() -> None:
    shares = [0.95, 0.9, 0.65, 0.55]
    logits = torch.tensor([[share, 1 - share] for share in shares], dtype=torch.float64).log()
    labels = torch.tensor([0, 1, 0, 0])
    # Two bins of a tenth: (.9, 1] holds .95 (right); (.8, .9] holds .9 (wrong); then .65 and .55.
    expected = (0.05 + 0.9 + 0.35 + 0.45) / 4
    assert calibration_error(logits, labels, bins=10) == pytest.approx(expected)
    assert calibration_error(logits[:2], labels[:2], bins=1) == pytest.approx(0.925 - 0.5)
