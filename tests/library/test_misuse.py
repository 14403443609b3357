"""Small inputs on which people's programs crashed, misled, or gave wrong numbers without a word."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import earlyglow as eg
from earlyglow.detectors.saving import DetectorFileError
from earlyglow.metrics import _bootstrap


def flow() -> eg.Glow:
    torch.manual_seed(0)
    return eg.Glow((1, 4, 4), levels=1, steps=1, hidden=2)


def small_digits(count: int = 64) -> eg.ImageSet:
    return eg.load_images("digits", "train", limit=count).matched_to((1, 4, 4))


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) - 0.5


# pytorch-ood's conventions


@pytest.mark.parametrize("batches", [1, 4])
def test_labels_below_zero_are_left_out_of_fits(batches: int) -> None:
    model, own, ood = flow(), images(40), 0.2 * images(24, 1)
    x, y = torch.cat((own, ood)), torch.cat((torch.zeros(40), -torch.ones(24))).long()
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
    loader = list(zip(x[order].chunk(batches), y[order].chunk(batches), strict=True))
    found = eg.LayerGradientDetector(model).fit(loader).predict(x)
    kept = order[y[order] >= 0]
    expected = eg.LayerGradientDetector(model).fit(x[kept]).predict(x)
    # Batches of other sizes round otherwise.
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_labels_of_zero_and_more_are_all_kept() -> None:
    x, y = images(20), torch.arange(20)
    found = eg.LikelihoodDetector(flow()).fit([(x, y)]).predict(x)
    torch.testing.assert_close(found, eg.LikelihoodDetector(flow()).fit(x).predict(x))


@pytest.mark.parametrize("batch", [{"image": images(4)}, (images(4), "y"), (1, 2)])
def test_a_loader_of_something_else_is_named(batch: object) -> None:
    with pytest.raises(TypeError, match=r"the loader gives .*tensors x"):
        eg.LayerGradientDetector(flow()).fit([batch])  # type: ignore[list-item]


# Estimates that one value can ruin


def normal_samples(count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.standard_normal(count), generator.standard_normal(count)


@pytest.mark.parametrize("outlier", [1e3, 1e5, -1e7])
def test_one_outlier_moves_an_overlap_little(outlier: float) -> None:
    a, b = normal_samples()
    plain = eg.overlap_coefficient(a, b)
    a[0] = outlier
    assert eg.overlap_coefficient(a, b) == pytest.approx(plain, abs=0.01)
    low, high = eg.overlap_interval(a, b, resamples=20)
    assert low < 0.97 <= high + 0.03


def test_heavy_tails_overlap_as_their_histograms() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.standard_cauchy(1000), generator.standard_cauchy(1000)
    assert eg.overlap_coefficient(a, b) == pytest.approx(
        eg.overlap_coefficient(a, b, method="histogram"), abs=0.12
    )
    assert eg.overlap_coefficient(a, b) > 0.8


def test_ordinary_samples_keep_scotts_bandwidth() -> None:
    a, b = normal_samples(300)
    a = a**3
    grid = np.linspace(min(a.min(), b.min()) - 9, max(a.max(), b.max()) + 9, 40_000)
    densities = [stats.gaussian_kde(samples)(grid) for samples in (a, b)]
    expected = np.trapezoid(np.minimum(*densities), grid)
    assert eg.overlap_coefficient(a, b) == pytest.approx(expected, abs=1e-3)


def test_many_samples_take_seconds_and_agree_with_kernels() -> None:
    a, b = normal_samples(20_000)
    grid = np.linspace(-8, 8, 2000)
    densities = [stats.gaussian_kde(samples)(grid) for samples in (a, b + 1)]
    expected = np.trapezoid(np.minimum(*densities), grid)
    start = time.monotonic()
    assert eg.overlap_coefficient(a, b + 1) == pytest.approx(expected, abs=1e-3)
    eg.overlap_interval(a, b + 1, resamples=50)
    assert time.monotonic() - start < 10


def test_bootstrap_is_that_of_drawn_scores() -> None:
    generator = np.random.default_rng(3)
    own, ood = generator.integers(0, 9, 50) / 2.0, generator.integers(2, 12, 40) / 2.0
    drawn, areas = np.random.default_rng(0), []
    for _ in range(200):
        pair = drawn.choice(own, 50), drawn.choice(ood, 40)
        areas.append(roc_auc_score(np.repeat([0, 1], [50, 40]), np.concatenate(pair)))
    expected = np.quantile(areas, [0.025, 0.975])
    assert _bootstrap(own, ood, 0.95, 200, 0) == pytest.approx(tuple(expected))


# Contracts that nothing checked


@pytest.mark.parametrize("score", ["msp", "energy", "max_logit"])
def test_one_logit_is_refused(score: str) -> None:
    detector = eg.GradientShortCircuit(nn.Flatten(), nn.Linear(4, 1), score=score)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"shape \(\d+, 1\), but one class"):
        detector.predict(torch.randn(3, 4))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_short_circuit_refuses_what_is_not_finite(value: float) -> None:
    detector = eg.GradientShortCircuit(nn.Flatten(), nn.Linear(4, 3))
    for method in (detector.predict, detector.predict_features):
        with pytest.raises(ValueError, match="NaN or infinity"):
            method(torch.full((2, 4), value))


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0, 4.0]], np.zeros((2, 4)), "x"])
def test_short_circuit_takes_tensors(x: object) -> None:
    with pytest.raises(TypeError, match="but a torch tensor is needed"):
        eg.GradientShortCircuit(nn.Flatten(), nn.Linear(4, 3)).predict(x)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_short_circuit_names_both_dtypes(dtype: torch.dtype) -> None:
    detector = eg.GradientShortCircuit(nn.Linear(4, 3), nn.Linear(3, 2))
    with pytest.raises(TypeError, match=rf"have dtype {dtype} and the model has torch.float32"):
        detector.predict(torch.zeros(2, 4, dtype=dtype))


def test_short_circuit_has_a_short_repr() -> None:
    text = repr(eg.GradientShortCircuit(nn.Flatten(), nn.Linear(4, 3), fraction=0.1))
    assert text == "GradientShortCircuit(fraction=0.1, intervention='zero', score='energy')"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
@pytest.mark.parametrize("make", [flow, lambda: eg.DenseGlow((1, 4, 4), 1, 4, 1)])
def test_both_dtypes_are_named(make: object, dtype: torch.dtype) -> None:
    x = images(2).to(dtype)
    model = make()  # type: ignore[operator]
    with pytest.raises(TypeError, match=rf"dtype {dtype} and this .*Glow has torch\.float32"):
        model.log_prob(x)
    with pytest.raises(TypeError, match=rf"dtype {dtype} and this .*Glow has torch\.float32"):
        eg.layer_gradient_norms(model, x)


def test_a_double_flow_is_named_in_training(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"torch\.float32 and this Glow has torch\.float64"):
        eg.train(
            flow().double(), small_digits(), eg.TrainingConfig(epochs=(1,), batch_size=32), tmp_path
        )


def test_images_outside_of_a_flows_range_are_noticed() -> None:
    detector = eg.LikelihoodDetector(flow())
    x = torch.tensor([0.0, 255.0]).repeat(16).view(2, 1, 4, 4)
    with pytest.warns(UserWarning, match=r"from 0 to 255, .*\[-0\.5, 0\.5\)"):
        detector.predict(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.predict(images(3))


@pytest.mark.parametrize("shape", [28, (28, 28), "28", (1, 28, 28.5)])
def test_image_shapes_are_explained(shape: object) -> None:
    with pytest.raises(ValueError, match="three positive integers"):
        eg.Glow(shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [12345678901234567890123, 2**32])
def test_seeds_have_a_largest(seed: int) -> None:
    with pytest.raises(ValueError, match="at most 4294967295"):
        eg.TrainingConfig(epochs=(1,), seed=seed)


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    config = eg.TrainingConfig(
        epochs=(1,), batch_size=32, seed=2**32 - 1, augmentation=("shift", "flip")
    )
    eg.train(flow(), small_digits(), config, tmp_path)


@pytest.mark.parametrize("limit", [2.0, True, "2", 0])
def test_limits_are_whole(limit: object) -> None:
    with pytest.raises(ValueError, match=r"limit is .* whole number of at least 1"):
        eg.load_images("digits", limit=limit)  # type: ignore[arg-type]


def test_a_misspelt_module_is_answered_with_the_nearest() -> None:
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(60)])
    with pytest.raises(ValueError, match="among the 60 of Sequential; the nearest are") as refused:
        eg.split(model, at="33x")
    assert "33" in str(refused.value)
    assert len(str(refused.value)) < 160


# The identity of a run, and what lies in files


def test_neighbouring_epochs_have_files_of_their_own(tmp_path: Path) -> None:
    from earlyglow.training.fitting import _Session

    config = eg.TrainingConfig(epochs=(0, 1), batch_size=32)
    session = _Session(flow(), small_digits(), config, tmp_path, torch.device("cpu"))
    names = [session.checkpoint_path(epoch).name for epoch in (1_000_000, 1_000_001, 0.1, 20, 250)]
    assert len(set(names)) == 5
    assert names[2:] == [f"epoch-{e}.safetensors" for e in ("0.1", "20", "250")]


class Compiled(nn.Module):
    """What torch.compile makes of a module's names, without the minute that it takes."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self._orig_mod = inside


def test_weights_go_in_and_out_of_a_compiled_model(tmp_path: Path) -> None:
    from earlyglow.training.checkpoints import plain_state, save_tensors

    first, second = flow(), eg.Glow((1, 4, 4), levels=1, steps=1, hidden=2)
    save_tensors(tmp_path / "x.safetensors", plain_state(Compiled(first)), {})
    eg.load_weights(second, tmp_path / "x.safetensors")
    third = eg.Glow((1, 4, 4), levels=1, steps=1, hidden=2)
    eg.load_weights(Compiled(third), tmp_path / "x.safetensors")
    for other in (second, third):
        for name, value in first.state_dict().items():
            assert torch.equal(other.state_dict()[name], value)


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_no_users_file_is_to_be_deleted(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "mine.pt"
    torch.save({prefix + name: value for name, value in flow().state_dict().items()}, path)
    with pytest.raises(
        eg.CheckpointError, match=r"torch\.load and model\.load_state_dict"
    ) as error:
        eg.load_weights(flow(), path)
    assert "delete" not in str(error.value)
    assert path.is_file()


def test_a_damaged_checkpoint_is_not_to_be_deleted(tmp_path: Path) -> None:
    run = eg.train(flow(), small_digits(), eg.TrainingConfig(epochs=(0,), batch_size=32), tmp_path)
    path = run.checkpoints[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(eg.CheckpointError, match="is damaged") as error:
        eg.load_weights(flow(), path)
    assert "delete" not in str(error.value)


def test_interrupting_a_bootstrap_is_possible() -> None:
    """A million scores of each kind show a bar where somebody watches, and can be stopped."""
    program = (
        "import numpy as np, earlyglow as eg\n"
        "g = np.random.default_rng(0)\n"
        "print(eg.auroc_interval(g.random(200_000), g.random(200_000), method='bootstrap', "
        "resamples=30))"
    )
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("scores", [["a", "b"], [1j, 2.0], [[1.0], [1.0, 2.0]], [None, "x"], {}])
def test_scores_are_numbers(scores: object) -> None:
    with pytest.raises(TypeError, match="holds something else than real numbers"):
        eg.auroc(scores, [1.0, 2.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="holds something else than real numbers"):
        eg.overlap_coefficient([1.0, 2.0], scores)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan"), "0.05", None, "x"])
def test_shares_lie_between_0_and_1(share: object) -> None:
    scores = torch.arange(40.0)
    with pytest.raises(ValueError, match=r"false_alarm_rate is .*between 0 and 1"):
        eg.threshold(scores, share)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"confidence is .*between 0 and 1"):
        eg.auroc_interval(scores, scores + 1, confidence=share)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"confidence is .*between 0 and 1"):
        eg.overlap_interval(scores, scores + 1, confidence=share)  # type: ignore[arg-type]


@pytest.mark.parametrize("epochs", ["1", ("1",), (None,), 1, ("a", 2), {"a": 1}, (1, "2")])
def test_epochs_are_numbers(epochs: object) -> None:
    with pytest.raises(ValueError, match=r"epochs is .*must be a list of numbers"):
        eg.TrainingConfig(epochs=epochs, batch_size=8)  # type: ignore[arg-type]


def test_what_cannot_be_trained_is_named(tmp_path: Path) -> None:
    config, images = eg.TrainingConfig(epochs=(1,), batch_size=8), small_digits()
    (tmp_path / "file").write_text("")
    with pytest.raises(eg.CheckpointError, match=r"file is a file, but checkpoints go into a"):
        eg.train(flow(), images, config, tmp_path / "file")
    with pytest.raises(ValueError, match=r"no parameter of Glow is trained"):
        eg.train(flow().requires_grad_(False), images, config, tmp_path)
    for model in ("glow", eg.Glow, None):
        with pytest.raises(TypeError, match=r"train takes an instance of a flow"):
            eg.train(model, images, config, tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [".", "file/inside"])
def test_a_detector_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    detector = eg.LayerGradientDetector(flow()).fit(images(8))
    with pytest.raises(DetectorFileError, match=r"cannot be written .*name a file elsewhere"):
        eg.save_detector(detector, tmp_path / place)


def test_a_fit_of_nothing_but_ood_rows_says_why() -> None:
    with pytest.raises(ValueError, match=r"no complete group of 1 images with labels of 0 or more"):
        eg.LayerGradientDetector(flow()).fit([(images(8), -torch.ones(8))])
