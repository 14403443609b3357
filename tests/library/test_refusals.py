"""Values of the kinds that torch, NumPy and Pillow take without a word, and that are no images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import earlyglow as eg
from earlyglow.detectors.saving import DetectorFileError


def flow(hidden: int = 2) -> eg.Glow:
    torch.manual_seed(0)
    return eg.Glow((1, 4, 4), levels=1, steps=1, hidden=hidden)


def images(count: int) -> Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5


def small_digits(count: int = 64) -> eg.ImageSet:
    return eg.load_images("digits", "train", limit=count).matched_to((1, 4, 4))


def settings() -> eg.TrainingConfig:
    return eg.TrainingConfig(epochs=(0, 1), batch_size=32)


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float32])
def test_labels_below_zero_count_in_every_shape_and_type(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    x, y = images(20), torch.arange(20).remainder(2).neg().to(dtype)
    found = eg.LikelihoodDetector(flow()).fit([(x, y.reshape(shape))]).predict(x)
    torch.testing.assert_close(found, eg.LikelihoodDetector(flow()).fit(x[::2]).predict(x))
    with pytest.raises(ValueError, match="labels of 0 or more"):
        eg.LayerGradientDetector(flow()).fit([(x, -torch.ones(shape))])


@pytest.mark.parametrize("y", [torch.zeros(19), torch.eye(20), torch.tensor(1.0)])
def test_labels_that_belong_to_no_image_are_named(y: Tensor) -> None:
    with pytest.raises(ValueError, match="labels of shape"):
        eg.LayerGradientDetector(flow()).fit([(images(20), y)])


@pytest.mark.parametrize(
    "x", [images(4).to_sparse(), torch.empty(2, 1, 4, 4, device="meta"), images(4) > 0]
)
def test_detectors_refuse_tensors_that_hold_no_plain_numbers(x: Tensor) -> None:
    detector = eg.LayerGradientDetector(flow()).fit(images(20))
    with pytest.raises(TypeError, match=r"the images (are a|have dtype)"):
        detector.predict(x)


@pytest.mark.parametrize("values", [np.array([1j, 2.0]), torch.tensor([1j, 2.0])])
def test_complex_scores_are_refused(values: object) -> None:
    with pytest.raises(TypeError, match="complex"):
        eg.auroc(values, [1.0, 2.0])


@pytest.mark.parametrize("broken", ["scores", "calibration"])
def test_p_values_of_nan_are_refused(broken: str) -> None:
    given = {"scores": torch.ones(3), "calibration": torch.ones(5)}
    given[broken][1] = math.nan
    with pytest.raises(ValueError, match=f"{broken} holds 1 NaN"):
        eg.conformal_p_values(**given)


@pytest.mark.parametrize("place", ["file/below", "/proc/nowhere"])
def test_a_training_names_a_folder_that_cannot_be_made(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(eg.CheckpointError, match="cannot be made"):
        eg.train(flow(), small_digits(), settings(), tmp_path / place)


def test_a_training_names_the_flow_inside_a_wrapper(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"DataParallel has no log_prob.*pass model\.module"):
        eg.train(nn.DataParallel(flow()), small_digits(), settings(), tmp_path)


def test_weights_load_into_a_wrapper_and_out_of_it(tmp_path: Path) -> None:
    model = flow()
    run = eg.train(model, small_digits(), settings(), tmp_path)
    wrapped = nn.DataParallel(flow())
    eg.load_weights(wrapped, run.checkpoints[1])
    for a, b in zip(model.parameters(), wrapped.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("seed", [1.5, "1", math.nan, True, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: object) -> None:
    with pytest.raises(TypeError, match=r"seed is .*whole number"):
        eg.dequantize(small_digits(2).images, seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("indices", [[0, 1], torch.tensor([0.5, 1.5]), np.arange(2)])
def test_indices_that_are_no_whole_numbers_are_refused(indices: object) -> None:
    with pytest.raises(TypeError, match=r"indices is .*whole numbers"):
        eg.dequantize(small_digits(2).images, 0, indices)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((2, 4, 5, 5), r"with 1 or 3 channels; \[:, :3\] leaves out"),
        ((2, 5, 5, 4), r"permute.* and \[:, :3\]"),
        ((2, 5, 6, 3), r"permute"),
        ((2, 2, 5, 6), r"leave the other channels out"),
    ],
)
def test_channels_that_are_no_colours_get_the_remedy_that_works(
    shape: tuple[int, ...], remedy: str
) -> None:
    with pytest.raises(ValueError, match=remedy):
        eg.ImageSet(torch.zeros(shape, dtype=torch.uint8), torch.zeros(2).long(), "x", "test")


@pytest.mark.parametrize("shape", [28, (1, 0, 4), (1, -1, 4), (1, 4.0, 4), (2, 4, 4), "128"])
def test_shapes_that_no_image_has_are_refused(shape: object) -> None:
    with pytest.raises(ValueError, match="image_shape is"):
        small_digits(2).matched_to(shape)  # type: ignore[arg-type]


def test_counts_that_are_none_are_refused() -> None:
    for ask in (lambda: eg.subset(5, -1), lambda: eg.halves(4.0)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="must be a whole number"):
            ask()


def test_a_detector_is_loaded_for_the_model_that_it_was_fitted_under(tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    eg.save_detector(eg.LayerGradientDetector(flow()).fit(images(20)), path)
    # As many tensors, but of other shapes.
    with pytest.raises(
        DetectorFileError, match="or others; give the model that it was fitted under"
    ):
        eg.load_detector(path, flow(hidden=3))
    with pytest.raises(TypeError, match="model is 'glow'"):
        eg.load_detector(path, "glow")  # type: ignore[arg-type]


def short_circuit(head: nn.Module | None = None, **options: float) -> eg.GradientShortCircuit:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    head = head or nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    return eg.GradientShortCircuit(body, head, **options)


class Head(nn.Module):
    """Logits by a function of the features."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        logits = x.flatten(1)
        return {"nan": logits * math.nan, "constant": logits.detach()}[self.kind]


@pytest.mark.parametrize(
    ("x", "complaint"),
    [
        ((images(3) * 255).to(torch.uint8), r"dtype torch.uint8"),
        (images(3) > 0, r"dtype torch.bool"),
        (images(3).expand(-1, 3, -1, -1), r"shape \(3, 3, 4, 4\)"),
        (images(3)[0], r"for a single image pass x\[None\]"),
    ],
)
def test_a_body_names_images_that_it_does_not_take(x: Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        short_circuit().predict(x)


@pytest.mark.parametrize(
    ("kind", "complaint"), [("nan", "of NaN or infinity"), ("constant", "without a gradient")]
)
@pytest.mark.filterwarnings("ignore:the head is affine")
def test_a_head_without_usable_logits_is_named(kind: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        short_circuit(Head(kind)).predict(images(3))


@pytest.mark.parametrize("temperature", [math.inf, math.nan, 0.0, -1.0])
def test_temperatures_that_are_none_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature is"):
        short_circuit(temperature=temperature)
