"""Flows against autograd: log-determinants, inverses, counts, and the bugs of public Glow code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from earlyglow.flows import Bijection, DenseGlow, Flow, Glow, bits_per_dim
from earlyglow.flows.dense_glow import ScalarAffine, ScalarConvolution
from earlyglow.flows.glow import glow_step
from earlyglow.flows.layers import (
    ActNorm,
    ActNormConv1x1,
    AffineCoupling,
    ConditionalGaussian,
    ConvActNormReLU,
    InvertibleConv1x1,
    Squeeze,
)


def perturbed(module: nn.Module, by: float = 0.2) -> nn.Module:
    """A module in float64 and evaluation mode whose parameters are not at their special start."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data += by * torch.randn(parameter.shape, generator=generator)
    return module.double().eval()


def log_det_by_autograd(function: object, x: Tensor) -> Tensor:
    """log|det J| of each sample from the whole Jacobian."""
    values = []
    for sample in x:
        jacobian = torch.autograd.functional.jacobian(lambda s: function(s[None])[0][0], sample)
        values.append(torch.linalg.slogdet(jacobian.reshape(sample.numel(), -1))[1])
    return torch.stack(values)


LAYERS: dict[str, tuple[Callable[[], Bijection], tuple[int, ...]]] = {
    "squeeze": (Squeeze, (2, 4, 6)),
    "actnorm": (lambda: ActNorm(3), (3, 2, 4)),
    "conv1x1": (lambda: InvertibleConv1x1(4), (4, 3, 2)),
    "actnorm and conv1x1": (lambda: ActNormConv1x1(4), (4, 3, 2)),
    "coupling": (lambda: AffineCoupling(4, hidden=5), (4, 3, 2)),
    "step": (lambda: glow_step(4, hidden=5), (4, 2, 3)),
    "scalar affine": (ScalarAffine, (7,)),
    "scalar convolution": (ScalarConvolution, (7,)),
}
FLOWS: dict[str, Callable[[], Flow]] = {
    "glow 3 levels": lambda: Glow((1, 8, 8), levels=3, steps=1, hidden=4),
    "glow colour": lambda: Glow((3, 4, 4), levels=2, steps=2, hidden=4),
    "glow 1 level, not square": lambda: Glow((1, 4, 6), levels=1, steps=2, hidden=3),
    "dense glow": lambda: DenseGlow((1, 4, 3), steps=4, hidden=6, depth=1),
    "dense glow released": lambda: DenseGlow((1, 4, 3), 3, 6, 1, initialisation="released"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_inverse_and_log_det(name: str) -> None:
    build, shape = LAYERS[name]
    layer = perturbed(build())
    x = torch.randn(3, *shape, dtype=torch.float64)
    z, log_det = layer(x)
    assert log_det.shape == (3,)
    torch.testing.assert_close(layer.inverse(z), x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_det, log_det_by_autograd(layer, x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", FLOWS)
def test_flow_inverse_and_log_det(name: str) -> None:
    flow = perturbed(FLOWS[name]())
    x = torch.rand(3, *flow.image_shape, dtype=torch.float64) - 0.5
    z, log_det = flow(x)
    assert z.shape == (3, flow.dims)
    assert log_det.shape == (3,)
    torch.testing.assert_close(flow.inverse(z), x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_det, log_det_by_autograd(flow, x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", FLOWS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    flow = perturbed(FLOWS[name]())
    flow.log_prob(torch.rand(2, *flow.image_shape, dtype=torch.float64)).sum().backward()
    assert all(parameter.grad is not None for parameter in flow.parameters())


@pytest.mark.parametrize("name", FLOWS)
def test_log_prob_does_not_depend_on_the_batch(name: str) -> None:
    flow = perturbed(FLOWS[name]())
    x = torch.rand(5, *flow.image_shape, dtype=torch.float64) - 0.5
    together = flow.log_prob(x)
    apart = torch.cat([flow.log_prob(sample[None]) for sample in x])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", FLOWS)
def test_input_is_not_changed(name: str) -> None:
    flow = FLOWS[name]().train()
    x = torch.rand(4, *flow.image_shape)
    before = x.clone()
    z, _ = flow(x)
    kept = z.detach().clone()
    flow.inverse(z.detach())
    flow.log_prob(x)
    assert torch.equal(x, before)
    assert torch.equal(z.detach(), kept)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("n", [1, 3, 33])
def test_sample_shapes(name: str, n: int) -> None:
    flow = FLOWS[name]().eval()
    samples = flow.sample(n, temperature=0.7)
    assert samples.shape == (n, *flow.image_shape)
    assert samples.isfinite().all()


@pytest.mark.parametrize("name", FLOWS)
def test_saved_weights_keep_log_prob(name: str) -> None:
    flow = FLOWS[name]()
    x = torch.rand(4, *flow.image_shape)
    flow.train()(x)
    expected = flow.eval().log_prob(x)
    other = FLOWS[name]()
    other.load_state_dict(flow.state_dict())
    # In training mode: an initialised actnorm must not initialise itself again from this batch.
    torch.testing.assert_close(other.train().log_prob(x), expected, rtol=1e-6, atol=1e-4)


def test_density_integrates_to_one() -> None:
    """The density of a one-pixel flow, integrated over a fine grid."""
    flow = perturbed(DenseGlow((1, 1, 1), steps=2, hidden=4, depth=1))
    grid = torch.linspace(-60.0, 60.0, 400_001, dtype=torch.float64)
    density = flow.log_prob(grid.view(-1, 1, 1, 1)).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1.0, abs=1e-5)


def test_glow_density_is_prior_times_jacobian() -> None:
    """log_prob against torch.distributions and the autograd Jacobian, split prior included."""
    flow = perturbed(Glow((1, 4, 4), levels=2, steps=1, hidden=3))
    x = torch.rand(2, 1, 4, 4, dtype=torch.float64) - 0.5
    latents, contexts, _ = flow._encode(x)
    prior = torch.zeros(2, dtype=torch.float64)
    networks = (flow.split_priors[0], flow.top_prior)
    for network, latent, context in zip(networks, latents, contexts, strict=True):
        mean, log_deviation = network.network(context).chunk(2, dim=1)
        normal = torch.distributions.Normal(mean, log_deviation.exp())
        prior += normal.log_prob(latent).flatten(1).sum(1)
    expected = prior + log_det_by_autograd(flow, x)
    torch.testing.assert_close(flow.log_prob(x), expected, rtol=0, atol=1e-9)


def test_paper_sizes() -> None:
    """Counts of arXiv 2502.00820's 3-channel and the released code's 1-channel model."""
    glow = Glow((3, 32, 32), levels=3, steps=32, hidden=512)
    assert len(list(glow.parameters())) == 1353
    assert sum(p.numel() for p in glow.parameters()) == 44_235_312
    dense = DenseGlow((1, 28, 28), steps=10, hidden=1000, depth=10)
    assert len(list(dense.parameters())) == 51
    assert sum(p.numel() for p in dense.parameters()) == 23_159_571


def test_inverse_at_paper_depth_in_float32() -> None:
    """32 steps a level after a few optimiser steps; the width does not matter to the error."""
    torch.manual_seed(0)
    flow = Glow((3, 16, 16), levels=3, steps=32, hidden=16)
    x = torch.rand(16, 3, 16, 16) - 0.5
    with torch.no_grad():
        flow(x)
    optimiser = torch.optim.Adamax(flow.parameters(), 1e-3)
    for _ in range(5):
        optimiser.zero_grad()
        (-flow.log_prob(x).mean()).backward()
        optimiser.step()
    flow.eval()
    with torch.no_grad():
        assert (flow.inverse(flow(x)[0]) - x).abs().max() < 1e-4


def test_glow_of_grey_28() -> None:
    flow = Glow((1, 28, 28), levels=2, steps=1, hidden=4)
    assert flow.log_prob(torch.zeros(2, 1, 28, 28)).shape == (2,)


def test_actnorm_initialises_once_from_its_first_batch() -> None:
    norm = ActNorm(3)
    x = torch.randn(64, 3, 4, 4) * torch.tensor([1.0, 5.0, 0.1]).view(3, 1, 1) + 2
    z, _ = norm(x)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(z.std((0, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-4)
    before = norm.bias.clone()
    norm(x * 7)
    assert torch.equal(norm.bias, before)


@pytest.mark.parametrize("kernel", [1, 3])
def test_folded_actnorm_is_the_plain_composition(kernel: int) -> None:
    """Values and gradients of conv, actnorm, ReLU one after the other, initialisation included."""
    folded, plain = (ConvActNormReLU(3, 5, kernel).double().train() for _ in range(2))
    plain.load_state_dict(folded.state_dict())
    batches = torch.randn(2, 6, 3, 4, 5, dtype=torch.float64)
    for x in batches:
        expected = torch.relu(plain.norm(plain.conv(x))[0])
        found = folded(x)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    for ours, theirs in zip(folded.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_folded_conv1x1_is_the_plain_composition() -> None:
    folded, plain = (ActNormConv1x1(4).double().train() for _ in range(2))
    plain.load_state_dict(folded.state_dict())
    for x in 0.3 + torch.randn(2, 6, 4, 3, 5, dtype=torch.float64):
        h, first = plain.norm(x)
        expected, second = plain.conv(h)
        z, log_det = folded(x)
        torch.testing.assert_close(z, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(log_det, first + second, rtol=1e-12, atol=1e-12)


def test_recomputed_activations_change_nothing_but_the_memory() -> None:
    x = torch.rand(4, 3, 8, 8, dtype=torch.float64) - 0.5
    gradients, kept = [], []
    for recompute in (False, True):
        torch.manual_seed(0)
        flow = perturbed(Glow((3, 8, 8), levels=2, steps=3, hidden=16)).train()
        if recompute:
            flow.recompute_activations()
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor, sizes: dict[int, int] = sizes) -> Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = flow.log_prob(x).sum()
        loss.backward()
        kept.append(sum(sizes.values()))
        gradients.append([parameter.grad for parameter in flow.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain, rtol=1e-12, atol=1e-12)
    assert kept[1] < 0.5 * kept[0]


def test_actnorm_in_evaluation_mode_does_not_initialise() -> None:
    norm = ActNorm(2).eval()
    x = torch.randn(8, 2, 3, 3) + 3
    assert torch.equal(norm(x)[0], x)
    assert not norm.initialised


def test_actnorm_keeps_a_constant_channel_finite() -> None:
    norm = ActNorm(2)
    x = torch.randn(8, 2, 3, 3)
    x[:, 1] = 4.0
    z, log_det = norm(x)
    assert z.isfinite().all()
    assert log_det.isfinite().all()
    assert norm.log_scale[1].item() == 0.0


def test_coupling_log_det_survives_an_underflowing_sigmoid() -> None:
    coupling = AffineCoupling(2, hidden=2)
    coupling.network.last.bias.data[1] = -202.0  # raw scale: sigmoid(-200) is 0 in float32
    _, log_det = coupling(torch.zeros(1, 2, 2, 2))
    assert log_det.item() == pytest.approx(4 * -200.0, rel=1e-6)


def test_conv1x1_starts_as_a_rotation() -> None:
    layer = InvertibleConv1x1(12)
    weight = layer.weight()
    torch.testing.assert_close(weight @ weight.T, torch.eye(12), rtol=0, atol=1e-5)
    assert layer.log_diagonal.sum().item() == pytest.approx(0.0, abs=1e-5)


def test_sampling_follows_the_model() -> None:
    """Latents of samples at temperature 1 are standard normal under an untrained top prior."""
    torch.manual_seed(0)
    flow = Glow((1, 4, 4), levels=2, steps=1, hidden=4).eval()
    z, _ = flow(flow.sample(4000))
    assert z.mean().abs() < 0.02
    assert z.std().item() == pytest.approx(1.0, abs=0.02)


def test_temperature_zero_gives_one_image() -> None:
    flow = Glow((1, 4, 4), levels=2, steps=1, hidden=4).eval()
    images = flow.sample(3, temperature=0.0)
    torch.testing.assert_close(images[0], images[1])


def test_conditional_gaussian_against_torch() -> None:
    prior = perturbed(ConditionalGaussian(2, 3))
    z, context = torch.randn(4, 3, 2, 2).double(), torch.randn(4, 2, 2, 2).double()
    mean, log_deviation = prior.network(context).chunk(2, dim=1)
    expected = torch.distributions.Normal(mean, log_deviation.exp()).log_prob(z)
    torch.testing.assert_close(prior.log_prob(z, context), expected.flatten(1).sum(1))


def test_released_initialisation_is_random_and_identity_is_not() -> None:
    scales = {DenseGlow((1, 2, 2), 1, 2, 0, "released").affine.scale.item() for _ in range(3)}
    assert len(scales) == 3
    identity = DenseGlow((1, 2, 2), 1, 2, 0)
    assert identity.affine.scale.item() == identity.convolution.weight.item() == 1.0


def test_bits_per_dim_of_uniform_noise_is_eight() -> None:
    """A density of 1 on the unit cube costs exactly the 8 bits of a grey level."""
    assert bits_per_dim(torch.zeros(2), dims=784).tolist() == [8.0, 8.0]
    one_bit_less = torch.tensor([784 * math.log(2)])
    assert bits_per_dim(one_bit_less, dims=784).item() == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (
            lambda: Glow((3, 28, 28), levels=3),
            r"28x28 image cannot be halved 3 times.*2\*\*levels = 8",
        ),
        (lambda: Glow((3, 32, 32), steps=0), "steps is 0"),
        (lambda: Glow((3, 32), levels=1), "image_shape"),
        (lambda: DenseGlow((3, 28, 28)), "one channel"),
        (lambda: DenseGlow(initialisation="lucky"), "lucky.*identity, released"),
        (lambda: Glow((1, 4, 4), 1, 1, 2).log_prob(torch.zeros(2, 3, 4, 4)), r"\(2, 3, 4, 4\)"),
        (lambda: Glow((1, 4, 4), 1, 1, 2).inverse(torch.zeros(2, 17)), r"\(2, 17\)"),
        (lambda: Glow((1, 4, 4), 1, 1, 2).sample(0), "n is 0"),
        (lambda: Glow((1, 4, 4), 1, 1, 2).sample(1, temperature=-1), "temperature is -1"),
    ],
)
def test_errors_name_the_value(build: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build()


def test_uint8_images_are_refused() -> None:
    with pytest.raises(TypeError, match="dequantize"):
        Glow((1, 4, 4), 1, 1, 2).log_prob(torch.zeros(2, 1, 4, 4, dtype=torch.uint8))


def test_a_shape_of_numpy_is_a_shape() -> None:
    flow = Glow(tuple(np.array([1, 8, 8])), levels=1, steps=1, hidden=4)
    assert flow.image_shape == (1, 8, 8)
    assert all(type(size) is int for size in flow.image_shape)


def test_autocast_rounds_networks_and_not_the_flow() -> None:
    """A fresh coupling's network gives zero, so that all of the density is the flow's own."""
    torch.manual_seed(0)
    model = Glow((3, 8, 8), levels=2, steps=3, hidden=8)
    x = torch.rand(16, 3, 8, 8) - 0.5
    model(x)
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rounded = model.log_prob(x)
    torch.testing.assert_close(rounded, model.log_prob(x).detach(), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(
    ("images", "error", "match"),
    [
        (np.zeros((2, 1, 8, 8), np.float32), TypeError, "of type ndarray.*torch.from_numpy"),
        (torch.zeros(1, 8, 8), ValueError, r"for a single image pass x\[None\]"),
        (torch.zeros(0, 1, 8, 8), ValueError, "there are 0 images"),
    ],
)
@pytest.mark.parametrize("kind", [Glow, DenseGlow])
def test_what_is_no_batch_of_images_is_refused(
    kind: type, images: object, error: type, match: str
) -> None:
    model = kind((1, 8, 8), steps=1, hidden=4) if kind is DenseGlow else Glow((1, 8, 8), 1, 1, 4)
    with pytest.raises(error, match=match):
        model.log_prob(images)


def test_a_broken_first_batch_does_not_set_the_actnorms() -> None:
    model = Glow((1, 8, 8), levels=1, steps=1, hidden=4)
    x = torch.rand(4, 1, 8, 8) - 0.5
    broken = x.clone()
    broken[1, 0, 2, 3] = torch.nan
    with pytest.raises(ValueError, match="initialises an actnorm holds NaN"):
        model.log_prob(broken)
    assert model.log_prob(x).isfinite().all()


@pytest.mark.parametrize(
    "build", [lambda: Glow(hidden=4.5), lambda: Glow(steps=1.5), lambda: DenseGlow(hidden=4.5)]
)
def test_sizes_are_whole_numbers(build: Callable[[], Flow]) -> None:
    with pytest.raises(ValueError, match=r"is \d\.5, but it must be a whole number"):
        build()
