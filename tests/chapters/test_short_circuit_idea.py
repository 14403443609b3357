"""The pictures' numbers against a gradient and a cut by hand."""

from __future__ import annotations

import pytest
import torch

import earlyglow as eg
from earlyglow_book.chapters.short_circuit_idea import aurocs, energies, pixels, train_classifier


def test_the_cut_is_that_of_the_largest_gradients() -> None:
    """By autograd, one image at a time; the classifier learns more than guessing."""
    digits, test = eg.load_images("digits", "train"), eg.load_images("digits", "test")
    classifier = train_classifier(digits, 150, seed=0)
    x = pixels(test)
    assert x.abs().max() <= 0.5
    assert (classifier(x).argmax(1) == test.labels).float().mean() > 0.7
    explained = eg.GradientShortCircuit(classifier[:2], classifier[2:], 0.1).explain(x[:5])
    for i in range(5):
        features = classifier[:2](x[i : i + 1]).detach().requires_grad_()
        logits = classifier[2:](features)
        (gradient,) = torch.autograd.grad(logits.max(), features)
        largest = gradient[0].abs().topk(6).indices
        assert set(largest.tolist()) == set(explained.coordinates[i].tolist())


def test_energies_and_aurocs() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, -100.0]])
    assert energies(logits).tolist() == pytest.approx([-0.6931, -3.0], abs=1e-4)
    sure, unsure = torch.tensor([[9.0, 0.0]]).repeat(4, 1), torch.zeros(4, 2)
    coordinates, gradient = torch.zeros(4, 1, dtype=torch.int64), torch.zeros(4, 2)
    own = eg.short_circuit.detector.Explanation(coordinates, gradient, sure, unsure)
    ood = eg.short_circuit.detector.Explanation(coordinates, gradient, unsure, sure)
    assert aurocs(own, ood) == {"before": 1.0, "after": 0.0}


def test_training_leaves_the_random_numbers_alone() -> None:
    digits = eg.load_images("digits", "train", limit=100)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_classifier(digits, 2, seed=1)
    assert torch.equal(torch.rand(3), expected)
