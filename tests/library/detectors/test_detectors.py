"""Detectors against the score written out with NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.api import Detector, RequiresFittingException
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from earlyglow.datasets import load_images
from earlyglow.detectors import (
    InputComplexityDetector,
    LayerDensityDetector,
    LayerGradientDetector,
    LikelihoodDetector,
    RaoDetector,
    TotalNormDetector,
    TypicalityDetector,
)
from earlyglow.flows import Glow
from earlyglow.gradients import LayerNorms, layer_gradient_norms
from earlyglow.metrics import auroc


@pytest.fixture(scope="module")
def model() -> Glow:
    torch.manual_seed(0)
    flow = Glow((1, 8, 8), levels=2, steps=1, hidden=4)
    for parameter in flow.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return flow.double().eval()


def images(count: int, spread: float = 0.5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spread * (torch.rand(count, 1, 8, 8, generator=generator, dtype=torch.float64) - 0.5)


ALL = [LayerGradientDetector, LikelihoodDetector, TypicalityDetector]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("size", [1, 3])
def test_interface(kind: type, size: int, model: Glow) -> None:
    detector = kind(model, group_size=size)
    assert isinstance(detector, Detector)
    assert detector.fit(images(20)) is detector
    scores = detector.predict(images(10, seed=1))
    assert scores.shape == (10 // size,)
    assert torch.equal(detector(images(10, seed=1)), scores)


@pytest.mark.parametrize("kind", ALL)
def test_loader_with_odd_batches_is_the_same_as_a_tensor(kind: type, model: Glow) -> None:
    x = images(23)
    loader = DataLoader(TensorDataset(x, torch.zeros(23)), batch_size=4)
    whole = kind(model, group_size=3).fit(x).predict(images(9, seed=1))
    parts = kind(model, group_size=3).fit(loader).predict(images(9, seed=1))
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("kind", ALL)
def test_loader_of_plain_tensors_is_the_same_as_a_tensor(kind: type, model: Glow) -> None:
    x = images(23)
    whole = kind(model).fit(x).predict(images(9, seed=1))
    parts = kind(model).fit(DataLoader(x, batch_size=4)).predict(images(9, seed=1))
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("kind", [*ALL, LayerDensityDetector, TotalNormDetector, RaoDetector])
def test_a_fitted_detector_can_be_moved(kind: type, model: Glow) -> None:
    detector = kind(model).fit(images(20))
    expected = detector.predict(images(5, seed=1))
    assert torch.equal(detector.to("cpu").predict(images(5, seed=1)), expected)


@pytest.mark.parametrize("kind", [LikelihoodDetector, TypicalityDetector])
def test_a_log_prob_of_dimensions_is_refused(kind: type) -> None:
    class PerPixel(nn.Linear):
        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return self(x.flatten(1))

    with pytest.raises(ValueError, match=r"shape \(20, 5\) for 20 images"):
        kind(PerPixel(64, 5).double()).fit(images(20)).predict(images(20))


def test_what_needs_no_fitting_looks_at_no_image(model: Glow) -> None:
    for kind in (LikelihoodDetector, InputComplexityDetector):
        detector = kind(model).fit(pytest.fail("an image was read") for _ in range(1))
        assert not kind.requires_fit
        assert detector.predict(images(2)).shape == (2,)


@pytest.mark.parametrize("kind", [LayerGradientDetector, TypicalityDetector])
def test_fitting_is_required(kind: type, model: Glow) -> None:
    assert kind(model).requires_fit
    with pytest.raises(RequiresFittingException):
        kind(model).predict(images(2))


@pytest.mark.parametrize("size", [1, 4])
def test_layer_gradient_score_is_the_sum_of_gaussian_nlls(size: int, model: Glow) -> None:
    fit, test = images(24), images(12, spread=0.9, seed=1)
    detector = LayerGradientDetector(model, group_size=size).fit(fit)
    norms = [
        layer_gradient_norms(model, x, size, backend="loop").values.numpy() for x in (fit, test)
    ]
    kept = (norms[0] > 0).all(0)
    logs = [np.log(values[:, kept]) for values in norms]
    assert set(np.array(detector.names)[~kept]) == set(detector.dropped)
    gaussian = stats.norm(logs[0].mean(0), logs[0].std(0, ddof=1))
    expected = -gaussian.logpdf(logs[1]).sum(1)
    np.testing.assert_allclose(detector.predict(test).numpy(), expected, rtol=1e-9)


def test_released_guard(model: Glow) -> None:
    """log(f + 1e-10) and variance + 1e-10, nothing dropped."""
    fit, test = images(24), images(6, seed=1)
    detector = LayerGradientDetector(model, guard="epsilon").fit(fit)
    assert detector.dropped == ()
    logs = [np.log(layer_gradient_norms(model, x).values.numpy() + 1e-10) for x in (fit, test)]
    variance = logs[0].var(0, ddof=1) + 1e-10
    terms = (logs[1] - logs[0].mean(0)) ** 2 / variance + np.log(2 * np.pi * variance)
    np.testing.assert_allclose(detector.predict(test).numpy(), 0.5 * terms.sum(1), rtol=1e-9)


def test_absent_and_zero_gradients_are_dropped_by_name(model: Glow) -> None:
    detector = LayerGradientDetector(model, objective="sum_z").fit(images(10))
    assert {name for name in detector.dropped if "prior" in name} == {
        name for name, _ in model.named_parameters() if "prior" in name
    }
    fresh = Glow((1, 8, 8), levels=2, steps=1, hidden=4)
    untrained = LayerGradientDetector(fresh).fit(images(10).float())
    # The zero-initialised last convolutions hide everything before them.
    hidden = [name for name, _ in fresh.named_parameters() if ".first." in name]
    assert hidden
    assert set(hidden) <= set(untrained.dropped)


def test_scores_from_stored_norms_are_the_same(model: Glow) -> None:
    fit, test = images(20), images(8, seed=1)
    live = LayerGradientDetector(model, group_size=2).fit(fit).predict(test)
    stored = LayerGradientDetector(model, group_size=2)
    stored.fit_from_norms(layer_gradient_norms(model, fit, 2))
    torch.testing.assert_close(
        stored.predict_from_norms(layer_gradient_norms(model, test, 2)), live
    )


def test_norms_of_another_kind_are_refused(model: Glow) -> None:
    detector = LayerGradientDetector(model, group_size=2)
    with pytest.raises(ValueError, match=r"groups of 1, but this detector has group_size=2"):
        detector.fit_from_norms(layer_gradient_norms(model, images(6)))
    with pytest.raises(ValueError, match="1 columns of another model"):
        detector.fit_from_norms(LayerNorms(torch.ones(3, 1), ("weight",), 2))


def test_likelihood_and_typicality_by_hand(model: Glow) -> None:
    fit, test = images(10), images(6, seed=1)
    with torch.no_grad():
        fit_mean = model.log_prob(fit).mean()
        groups = model.log_prob(test).view(3, 2).mean(1)
    likelihood = LikelihoodDetector(model, group_size=2).predict(test)
    torch.testing.assert_close(likelihood, -groups)
    typicality = TypicalityDetector(model, group_size=2).fit(fit).predict(test)
    torch.testing.assert_close(typicality, (groups - fit_mean).abs())


def test_unlike_images_score_higher(model: Glow) -> None:
    """The sign: images far from the fit set are more OOD for each detector that is fitted."""
    for kind in (LayerGradientDetector, TypicalityDetector):
        detector = kind(model).fit(images(40))
        inside = detector.predict(images(20, seed=1))
        outside = detector.predict(images(20, spread=30.0, seed=2))
        assert auroc(inside, outside) > 0.99


def test_broken_norms_are_named(model: Glow) -> None:
    norms = layer_gradient_norms(model, images(6))
    norms.values[2, 3] = torch.nan
    with pytest.raises(ValueError, match=f"of 1 of .*, {norms.names[3]} among them, are NaN"):
        LayerGradientDetector(model).fit_from_norms(norms)


def test_wrong_use_is_refused(model: Glow) -> None:
    with pytest.raises(ValueError, match="group_size is 0"):
        LikelihoodDetector(model, group_size=0)
    with pytest.raises(ValueError, match=r"group_size is 2\.0"):
        LikelihoodDetector(model, group_size=2.0)
    assert len(LikelihoodDetector(model, group_size=np.int64(2)).predict(images(4))) == 2
    with pytest.raises(ValueError, match=r"guard is 'none'.*drop, epsilon"):
        LayerGradientDetector(model, guard="none")
    for kind in (TypicalityDetector, RaoDetector):
        with pytest.raises(ValueError, match="no complete group of 5"):
            kind(model, group_size=5).fit(images(4))
    with pytest.raises(ValueError, match="there are 2 images, but a group needs 5"):
        LikelihoodDetector(model, group_size=5).predict(images(2))
    with pytest.raises(ValueError, match="holds 1 group"):
        LayerGradientDetector(model, group_size=4).fit(images(4))


@pytest.mark.parametrize("kind", [*ALL, TotalNormDetector, RaoDetector, LayerDensityDetector])
def test_broken_images_are_named(kind: type, model: Glow) -> None:
    broken = images(6)
    broken[4, 0, 1, 1] = torch.nan
    detector = kind(model).fit(images(20))
    with pytest.raises(ValueError, match=r"1 of 6 images hold NaN or infinity.*number 4"):
        detector.predict(broken)
    if kind is not LikelihoodDetector:
        with pytest.raises(ValueError, match="number 4"):
            kind(model).fit(broken)


@pytest.mark.parametrize("kind", [LayerGradientDetector, TypicalityDetector, RaoDetector])
@pytest.mark.parametrize("given", [load_images("digits", limit=4), np.zeros((4, 1, 8, 8))])
def test_what_is_no_tensor_is_refused(kind: type, given: object, model: Glow) -> None:
    with pytest.raises(TypeError, match=r"a torch tensor is needed.*earlyglow\.dequantize"):
        kind(model).fit(given)
    with pytest.raises(TypeError, match="a torch tensor is needed"):
        kind(model).fit(images(20)).predict(given)


def test_fits_that_say_nothing_are_refused(model: Glow) -> None:
    norms = torch.ones(5, len(list(model.parameters())))
    with pytest.raises(ValueError, match=r"deviation 0\.0, but it must be finite and above 0"):
        TotalNormDetector(model).fit_from_statistics(norms)
    with pytest.raises(ValueError, match="deviation nan"):
        TotalNormDetector(model).fit_from_statistics(norms * torch.nan)
    with pytest.raises(ValueError, match="NaN or infinite; look for a diverged model"):
        TypicalityDetector(model).fit_from_statistics(torch.tensor([1.0, torch.nan]))
