"""The readings of log norms against scikit-learn and formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from earlyglow.datasets import dequantize, load_images
from earlyglow.detectors import (
    IMAGE_STATISTICS,
    ImageStatisticsDetector,
    LayerCovarianceDetector,
    LayerGradientDetector,
    LayerNeighbourDetector,
    LayerResidualDetector,
    LogNormDetector,
    compressed_bits,
    image_statistics,
)
from earlyglow.flows import Glow

FIT, SCORED, LAYERS = 60, 25, 12
KINDS = (LayerNeighbourDetector, LayerCovarianceDetector, LayerResidualDetector)


class Twelve(nn.Module):
    """A model with twelve parameter tensors, whose norms are given."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in range(LAYERS)])


def norms(seed: int, count: int, shift: float = 0.0) -> Tensor:
    """Squared norms whose logs move together along two axes; one tensor's is always zero."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(2, LAYERS, generator=torch.Generator().manual_seed(9))
    shared = torch.randn(count, 2, generator=generator) * 3
    values = (
        (shared @ axes + torch.randn(count, LAYERS, generator=generator) + shift).double().exp()
    )
    values[:, 4] = 0.0
    return values


def standardised(values: Tensor, fit: Tensor) -> np.ndarray:
    kept = [i for i in range(LAYERS) if i != 4]
    logs, reference = np.log(values[:, kept].numpy()), np.log(fit[:, kept].numpy())
    return (logs - reference.mean(0)) / reference.std(0, ddof=1)


def fitted(
    kind: type[LogNormDetector], **settings: object
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    fit, scored = norms(0, FIT), norms(1, SCORED, 0.5)
    detector = kind(Twelve(), **settings).fit_from_statistics(fit)
    assert detector.dropped == ("weights.4",)
    scores = detector.predict_from_statistics(scored)
    return scores, standardised(fit, fit), standardised(scored, fit)


def close(found: Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_neighbours_are_those_of_scikit_learn() -> None:
    found, z_fit, z = fitted(LayerNeighbourDetector, neighbours=3)
    distances, _ = NearestNeighbors(n_neighbors=3).fit(z_fit).kneighbors(z)
    close(found, distances.mean(1))


def test_a_fit_group_is_not_its_own_neighbour() -> None:
    fit = norms(0, FIT)
    detector = LayerNeighbourDetector(Twelve(), neighbours=3).fit_from_statistics(fit)
    z = standardised(fit, fit)
    # Asked about its own points without naming them, scikit-learn leaves each one out.
    distances, _ = NearestNeighbors(n_neighbors=3).fit(z).kneighbors()
    close(detector.fit_scores(), distances.mean(1))


def test_covariance_is_ledoit_and_wolfs() -> None:
    found, z_fit, z = fitted(LayerCovarianceDetector)
    close(found, LedoitWolf(assume_centered=True).fit(z_fit).mahalanobis(z))


def test_components_are_whitened_principal_axes() -> None:
    found, z_fit, z = fitted(LayerCovarianceDetector, components=4)
    pca = PCA(4, whiten=True).fit(z_fit)
    close(found, (pca.transform(z) ** 2).sum(1))


@pytest.mark.parametrize(("first", "axes"), [(1, 2), (3, 4), (1, 0)])
def test_residual_is_what_the_removed_axes_leave(first: int, axes: int) -> None:
    found, z_fit, z = fitted(LayerResidualDetector, axes=axes, first=first)
    removed = PCA().fit(z_fit).components_[first - 1 : first - 1 + axes]
    rest = z - z @ removed.T @ removed
    close(found, (rest**2).sum(1))


def test_with_no_axis_removed_the_paper_ranks_alike() -> None:
    found, _, _ = fitted(LayerResidualDetector, axes=0)
    paper, _, _ = fitted(LayerGradientDetector)
    assert torch.equal(found.argsort(), paper.argsort())
    torch.testing.assert_close(0.5 * (found - found[0]), paper - paper[0])


@pytest.mark.parametrize("kind", KINDS)
def test_scores_depend_on_neither_order_nor_company(kind: type[LogNormDetector]) -> None:
    fit, scored = norms(0, FIT), norms(1, SCORED)
    detector = kind(Twelve()).fit_from_statistics(fit)
    again = kind(Twelve()).fit_from_statistics(fit.flip(0))
    scores = detector.predict_from_statistics(scored)
    torch.testing.assert_close(again.predict_from_statistics(scored), scores)
    one_by_one = torch.cat([detector.predict_from_statistics(row[None]) for row in scored])
    torch.testing.assert_close(one_by_one, scores)


def test_too_few_images_are_named() -> None:
    with pytest.raises(ValueError, match=r"holds 4 groups, but 5 neighbours need more than 5"):
        LayerNeighbourDetector(Twelve()).fit_from_statistics(norms(0, 4))
    with pytest.raises(ValueError, match=r"20 principal axes are asked for.*span 11"):
        LayerCovarianceDetector(Twelve(), components=20).fit_from_statistics(norms(0, FIT))
    with pytest.raises(ValueError, match=r"neighbours is 0"):
        LayerNeighbourDetector(Twelve(), neighbours=0)


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_another_world_score_higher_through_a_flow(kind: type[LogNormDetector]) -> None:
    """From images to scores, in groups: the interface of every detector."""
    torch.manual_seed(0)
    flow = Glow((1, 8, 8), levels=2, steps=1, hidden=8).train()
    digits = dequantize(load_images("digits", "train", limit=160).images)
    flow(digits[:64])
    detector = kind(flow, group_size=2).fit(digits[:100])
    inside, outside = (
        detector.predict(digits[100:160]),
        detector.predict(-digits[100:160] - 1 / 256),
    )
    assert inside.shape == (30,)
    assert (outside.mean() - inside.mean()) > 0


def test_image_statistics_are_what_their_names_say() -> None:
    images = load_images("textures", limit=7).images
    found = image_statistics(dequantize(images)).numpy()
    pixels = images.numpy().astype(float) / 255
    grey = pixels.mean(1)
    by_name = dict(zip(IMAGE_STATISTICS, found.T, strict=True))
    assert found.shape == (7, 14)
    np.testing.assert_allclose(by_name["mean"], grey.mean((1, 2)))
    np.testing.assert_allclose(by_name["log deviation"], np.log(grey.std((1, 2)) + 1e-6))
    np.testing.assert_allclose(
        by_name["red less green"], (pixels[:, 0] - pixels[:, 1]).mean((1, 2)), atol=1e-12
    )
    np.testing.assert_allclose(
        by_name["log colourfulness"],
        np.log((pixels.max(1) - pixels.min(1)).mean((1, 2)) + 1e-6),
    )
    halves = grey.reshape(7, 16, 2, 16, 2).mean((2, 4))
    np.testing.assert_allclose(
        by_name["log vertical energy, blocks of 2"],
        np.log(((halves[:, 1:] - halves[:, :-1]) ** 2).mean((1, 2)) + 1e-6),
    )
    np.testing.assert_allclose(
        by_name["log PNG bytes"], np.log(compressed_bits(dequantize(images)).numpy() / 8)
    )


def test_the_control_sees_no_noise_and_needs_no_flow() -> None:
    textures = load_images("textures", limit=80).images
    detector = ImageStatisticsDetector().fit(dequantize(textures[:60], seed=1))
    scores = detector.predict(dequantize(textures[60:], seed=2))
    assert torch.equal(scores, detector.predict(dequantize(textures[60:], seed=3)))
    z = image_statistics(dequantize(textures))
    fit = z[:60]
    z_fit, z_rest = ((part - fit.mean(0)) / fit.std(0) for part in (fit, z[60:]))
    expected = LedoitWolf(assume_centered=True).fit(z_fit.numpy()).mahalanobis(z_rest.numpy())
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-9)


def test_the_control_leaves_out_the_colours_of_grey_pictures() -> None:
    digits = dequantize(load_images("digits", limit=60).images)
    scores = ImageStatisticsDetector(group_size=3).fit(digits[:45]).predict(digits[45:])
    assert scores.shape == (5,)
    assert scores.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 8)])
def test_images_of_another_shape_are_refused(shape: tuple[int, int, int]) -> None:
    """The size of a file grows with the picture, whatever is on it."""
    x = torch.rand(20, 1, 8, 8) - 0.5
    detector = ImageStatisticsDetector().fit(x)
    assert detector.predict(x).shape == (20,)
    with pytest.raises(ValueError, match="fitted on images of 1×8×8"):
        detector.predict(torch.rand(4, *shape) - 0.5)
