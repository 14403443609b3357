"""Other gradient scores against SciPy, a closed form, and one backward pass per group."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.api import RequiresFittingException
from scipy import stats
from torch import nn

from earlyglow.detectors import (
    LayerDensityDetector,
    RaoDetector,
    TotalNormDetector,
    gradient_baselines,
)
from earlyglow.flows import Glow
from earlyglow.gradients.memory import TensorMemory


@pytest.fixture
def flow() -> Glow:
    torch.manual_seed(0)
    model = Glow(image_shape=(1, 4, 4), levels=1, steps=2, hidden=4).double()
    model(torch.rand(64, 1, 4, 4, dtype=torch.float64) - 0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


def images(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, 4, 4, generator=generator, dtype=torch.float64) - 0.5


def test_layer_density_is_scipys_kde(flow: Glow) -> None:
    detector = LayerDensityDetector(flow)
    fit, test = detector.statistics(images(40, 1)), detector.statistics(images(9, 2))
    scores = detector.fit_from_statistics(fit).predict_from_statistics(test)
    kept = [name not in detector.dropped for name in detector.names]
    columns = zip(fit.log().T[kept].numpy(), test.log().T[kept].numpy(), strict=True)
    expected = sum(-stats.gaussian_kde(own).logpdf(other) for own, other in columns)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-9)


def test_layer_density_stays_finite_far_away(flow: Glow) -> None:
    detector = LayerDensityDetector(flow)
    fit = detector.statistics(images(40, 1))
    scores = detector.fit_from_statistics(fit).predict_from_statistics(fit[:3] * 1e30)
    assert scores.isfinite().all()
    assert (scores > detector.predict_from_statistics(fit).max()).all()


def test_total_norm_is_one_gaussian(flow: Glow) -> None:
    detector = TotalNormDetector(flow, group_size=2)
    fit, test = images(40, 1), images(6, 2)
    logs = detector.statistics(fit).sum(1).log().numpy()
    expected = -stats.norm.logpdf(
        detector.statistics(test).sum(1).log().numpy(), logs.mean(), logs.std(ddof=1)
    )
    np.testing.assert_allclose(detector.fit(fit).predict(test).numpy(), expected, rtol=1e-9)


def test_one_group_has_no_variance(flow: Glow) -> None:
    with pytest.raises(ValueError, match="holds 1 group, but a variance needs at least 2"):
        TotalNormDetector(flow, group_size=4).fit(images(4, 1))


def test_rao_is_one_backward_pass_per_group(flow: Glow) -> None:
    fit, test, size = images(40, 1), images(6, 2), 2

    def gradients(x: torch.Tensor) -> torch.Tensor:
        rows = []
        for group in x.split(size):
            found = torch.autograd.grad(flow.log_prob(group).sum(), list(flow.parameters()))
            rows.append(torch.cat([g.flatten() for g in found]))
        return torch.stack(rows)

    fisher = gradients(fit).square().mean(0)
    expected = (gradients(test).square() / (fisher + 1e-8)).sum(1)
    scores = RaoDetector(flow, size).fit(fit).predict(test)
    torch.testing.assert_close(scores, expected, rtol=1e-9, atol=0)


def test_rao_holds_few_gradients_of_a_large_model(monkeypatch: pytest.MonkeyPatch) -> None:
    class Linear(nn.Linear):
        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return self(x.flatten(1)).square().sum(1)

    model, fit, test = Linear(16, 1000).double(), images(30, 1), images(12, 2)
    peaks, scores = [], []
    for numbers in (2**28, 2 * 17_000):
        monkeypatch.setattr(gradient_baselines, "_GRADIENT_NUMBERS", numbers)
        with TensorMemory() as memory:
            scores.append(RaoDetector(model).fit(fit).predict(test))
        peaks.append(memory.peak)
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-9, atol=0)
    assert peaks[1] < peaks[0] / 3


def test_rao_refuses_parameters_that_it_cannot_differentiate() -> None:
    class Aliased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))
            self.alias = [self.weight]

        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return self.alias[0] * x.flatten(1).sum(1)

    with pytest.raises(ValueError, match="cannot handle weight"):
        RaoDetector(Aliased()).fit(images(4, 0))


@pytest.mark.parametrize("kind", [LayerDensityDetector, TotalNormDetector, RaoDetector])
def test_unfitted_detectors_refuse(kind: type, flow: Glow) -> None:
    with pytest.raises(RequiresFittingException):
        kind(flow).predict(images(2, 0))
