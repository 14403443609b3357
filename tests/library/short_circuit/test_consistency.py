"""Gradient consistency against explicit pairs."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import nn

from earlyglow.short_circuit import gradient_consistency


@pytest.fixture
def parts() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
    head = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    return body.double(), head.double()


def test_mean_over_all_pairs(parts: tuple[nn.Module, nn.Module]) -> None:
    body, head = parts
    x = torch.randn(3, 4, dtype=torch.float64)
    measured = gradient_consistency(body, head, x, noise=0.5, copies=4, seed=5)
    noise = torch.randn(
        (12, 4), generator=torch.Generator().manual_seed(5), dtype=torch.float32
    ).double()
    for i in range(3):
        gradients = []
        for k in range(4):
            features = body(x[i] + 0.5 * noise[4 * i + k]).detach().requires_grad_()
            (gradient,) = torch.autograd.grad(head(features).max(), features)
            gradients.append(gradient)
        cosines = [
            torch.cosine_similarity(a, b, dim=0).item() for a, b in combinations(gradients, 2)
        ]
        assert measured[i].item() == pytest.approx(sum(cosines) / 6, abs=1e-6)


def test_one_class_of_an_affine_head_has_one_direction(
    parts: tuple[nn.Module, nn.Module],
) -> None:
    body, head = parts[0], nn.Linear(6, 3).double()
    x = torch.randn(40, 4, dtype=torch.float64)
    classes = torch.zeros(40, dtype=torch.int64)
    same = gradient_consistency(body, head, x, noise=1.0, classes=classes)
    torch.testing.assert_close(same, torch.ones(40))
    own = gradient_consistency(body, head, x, noise=1.0)
    assert own.min() < 0.9


def test_no_noise_no_disagreement(parts: tuple[nn.Module, nn.Module]) -> None:
    x = torch.randn(5, 4, dtype=torch.float64)
    torch.testing.assert_close(gradient_consistency(*parts, x, noise=0.0), torch.ones(5))


def test_too_few_copies_are_refused(parts: tuple[nn.Module, nn.Module]) -> None:
    with pytest.raises(ValueError, match="copies is 1, but it must be a whole number"):
        gradient_consistency(*parts, torch.randn(2, 4), copies=1)


def test_other_contexts_and_precisions(parts: tuple[nn.Module, nn.Module]) -> None:
    x = torch.randn(3, 4)
    expected = gradient_consistency(*parts, x.double(), noise=0.1)
    with torch.inference_mode():
        torch.testing.assert_close(gradient_consistency(*parts, x.double(), noise=0.1), expected)
    single = [part.float() for part in parts]
    torch.testing.assert_close(
        gradient_consistency(*single, x, noise=0.1), expected, rtol=1e-3, atol=1e-3
    )
    rough = [part.bfloat16() for part in parts]
    assert gradient_consistency(*rough, x.bfloat16(), noise=0.1).isfinite().all()
    assert gradient_consistency(*rough, x.bfloat16()[:0]).shape == (0,)
