"""Every backend against one backward pass per group, written out here in float64."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from earlyglow.flows import DenseGlow, Glow
from earlyglow.gradients import layer_gradient_norms, layer_gradient_norms_by_group, rules
from earlyglow.gradients.contributions import Dense, Outer, total
from earlyglow.gradients.memory import TensorMemory, need_of


def perturbed(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return module.double().eval()


def reference(
    model: nn.Module, x: Tensor, size: int, objective: Callable[[nn.Module, Tensor], Tensor]
) -> Tensor:
    """Squared norms from ``backward`` and ``.grad``, one group at a time."""
    rows = []
    for start in range(0, len(x) - size + 1, size):
        model.zero_grad(set_to_none=True)
        objective(model, x[start : start + size]).sum().backward()
        rows.append(
            [0.0 if p.grad is None else float((p.grad**2).sum()) for p in model.parameters()]
        )
    model.zero_grad(set_to_none=True)
    return torch.tensor(rows, dtype=torch.float64)


OBJECTIVES = {
    "log_prob": lambda model, x: model.log_prob(x),
    "sum_z": lambda model, x: model.final_latent(x).flatten(1).sum(1),
}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "glow": lambda: Glow((1, 8, 8), levels=2, steps=2, hidden=6),
    "glow, colour, not square": lambda: Glow((3, 4, 8), levels=2, steps=1, hidden=5),
    "dense glow": lambda: DenseGlow((1, 4, 3), steps=4, hidden=8, depth=2),
}


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", MODELS)
def test_flows_against_one_backward_per_group(name: str, objective: str, backend: str) -> None:
    model = perturbed(MODELS[name]())
    x = torch.rand(11, *model.image_shape, dtype=torch.float64) - 0.5
    for size in (1, 5):
        expected = reference(model, x, size, OBJECTIVES[objective])
        found = layer_gradient_norms(model, x, size, backend, objective, chunk_size=4)
        assert found.names == tuple(name for name, _ in model.named_parameters())
        assert found.values.shape == (11 // size, len(found.names))
        torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", MODELS)
def test_float32_is_close_to_float64(name: str) -> None:
    model = perturbed(MODELS[name]())
    x = torch.rand(6, *model.image_shape, dtype=torch.float64) - 0.5
    expected = layer_gradient_norms(model, x, backend="loop").values
    found = layer_gradient_norms(model.float(), x.float()).values.double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-9)


def test_several_group_sizes_at_once() -> None:
    model = perturbed(MODELS["glow"]())
    x = torch.rand(23, 1, 8, 8, dtype=torch.float64) - 0.5
    together = layer_gradient_norms_by_group(model, x, (1, 4, 6), chunk_size=5)
    for size in (1, 4, 6):
        apart = layer_gradient_norms(model, x, size)
        assert together[size].values.shape == (23 // size, len(apart.names))
        torch.testing.assert_close(together[size].values, apart.values)


class Mixed(nn.Module):
    """Layers with rules and without, one of them used twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2, dilation=1)
        self.wide = nn.Conv2d(4, 3, (1, 3), padding=(0, 1), bias=False)
        self.up = nn.ConvTranspose2d(3, 2, 2, stride=2)
        self.layer_norm = nn.LayerNorm(32)
        self.twice = nn.Linear(32, 32)
        self.frozen_norm = nn.BatchNorm2d(2)

    def log_prob(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.stem(x)))
        h = self.frozen_norm(self.up(self.wide(self.grouped(h)))).flatten(1)
        h = self.twice(torch.tanh(self.twice(self.layer_norm(h))))
        return h.square().sum(1)


class Entangled(nn.Module):
    """A layer whose second output is made from its first, or is the first."""

    def __init__(self, second: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0], dtype=torch.float64))
        self.second = second

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * self.weight
        return y, self.second(y)


@pytest.mark.parametrize("second", [lambda y: y.square(), lambda y: y], ids=["square", "same"])
def test_an_output_that_is_made_from_another(second: Callable[[Tensor], Tensor]) -> None:
    """Its gradient comes in once, not again through the other."""
    x = torch.randn(4, 2, dtype=torch.float64)

    def objective(model: nn.Module, x: Tensor) -> Tensor:
        first, other = model(x)
        return (first + 0.5 * other).sum(1)

    model = Entangled(second)
    expected = reference(model, x, 1, objective)
    found = layer_gradient_norms(model, x, backend="batched", objective=objective)
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)


def test_other_layers_and_shared_weights() -> None:
    model = perturbed(Mixed())
    x = torch.randn(6, 2, 4, 4, dtype=torch.float64)
    for size in (1, 3):
        expected = reference(model, x, size, OBJECTIVES["log_prob"])
        assert (expected[:, 2:] > 0).all()
        for backend in ("batched", "vmap"):
            found = layer_gradient_norms(model, x, size, backend)
            torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)
            assert (found.values[:, :2] == 0).all()


class Tokens(nn.Module):
    """An embedding, a positions-wise linear layer, and one weight tied in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 5)
        self.mix = nn.Linear(5, 5)
        self.out = nn.Linear(5, 7, bias=False)
        self.out.weight = self.embedding.weight

    def log_prob(self, tokens: Tensor) -> Tensor:
        logits = self.out(torch.relu(self.mix(self.embedding(tokens)))).log_softmax(-1)
        return logits.gather(2, tokens[..., None]).flatten(1).sum(1)


def test_embedding_and_tied_weights() -> None:
    model = perturbed(Tokens())
    tokens = torch.randint(0, 7, (6, 9), generator=torch.Generator().manual_seed(0))
    for size in (1, 2):
        expected = reference(model, tokens, size, OBJECTIVES["log_prob"])
        found = layer_gradient_norms(model, tokens, size)
        torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    kernels=st.lists(st.sampled_from([1, 2, 3, 5]), min_size=3, max_size=3),
    height=st.integers(5, 8),
    width=st.integers(5, 8),
    size=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_random_convolutional_models(
    channels: list[int], kernels: list[int], height: int, width: int, size: int, seed: int
) -> None:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after, kernel in zip(channels, channels[1:], kernels, strict=False):
        layers += [nn.Conv2d(before, after, kernel, padding=kernel // 2), nn.Tanh()]
    model = nn.Sequential(*layers).double()

    def objective(model: nn.Module, x: Tensor) -> Tensor:
        return model(x).flatten(1).square().sum(1)

    x = torch.randn(6, channels[0], height, width, dtype=torch.float64)
    expected = reference(model, x, size, objective)
    found = layer_gradient_norms(model, x, size, objective=objective, chunk_size=3)
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)


@settings(max_examples=40, deadline=None)
@given(
    positions=st.integers(1, 12),
    outputs=st.integers(1, 12),
    inputs=st.integers(1, 12),
    size=st.sampled_from([1, 2, 3]),
)
def test_outer_is_its_dense_form(positions: int, outputs: int, inputs: int, size: int) -> None:
    """Whichever way the norm is formed, it is that of the summed outer products."""
    generator = torch.Generator().manual_seed(positions * 100 + outputs * 10 + inputs)
    d = torch.randn(6, positions, outputs, generator=generator, dtype=torch.float64)
    a = torch.randn(6, positions, inputs, generator=generator, dtype=torch.float64)
    gradients = torch.einsum("ntp,ntd->npd", d, a).unflatten(0, (-1, size)).sum(1)
    expected = gradients.square().sum((1, 2))
    torch.testing.assert_close(Outer(d, a).grouped(size).squared_norm(), expected)
    doubled = total([Outer(d, a), Outer(d, a)]).grouped(size)
    torch.testing.assert_close(doubled.squared_norm(), 4 * expected)
    mixed = total([Outer(d, a), Dense(torch.einsum("ntp,ntd->npd", d, a))])
    torch.testing.assert_close(mixed.grouped(size).squared_norm(), 4 * expected)


def test_log_determinant_terms_are_there() -> None:
    """What Opacus drops: without the log-determinants the norms of these tensors differ."""
    model = perturbed(MODELS["glow"]())
    x = torch.rand(4, 1, 8, 8, dtype=torch.float64) - 0.5

    def without_log_det(model: nn.Module, x: Tensor) -> Tensor:
        log_det = model(x)[1]
        return model.log_prob(x) - log_det

    whole = layer_gradient_norms(model, x)
    part = layer_gradient_norms(model, x, objective=without_log_det)
    columns = [i for i, name in enumerate(whole.names) if name.endswith("log_diagonal")]
    assert columns
    relative = (whole.values / part.values - 1).abs()[:, columns]
    assert (relative > 1e-3).all()
    expected = reference(model, x, 1, without_log_det)
    torch.testing.assert_close(part.values, expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
def test_the_model_is_left_as_it_was(backend: str) -> None:
    model = Glow((1, 4, 4), levels=1, steps=1, hidden=3).train()
    model.levels[0].steps[1].steps[0].eval()
    frozen = next(model.parameters()).requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    layer_gradient_norms(model, torch.rand(4, 1, 4, 4), backend=backend)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not frozen.requires_grad
    assert all(p.requires_grad for p in list(model.parameters())[1:])
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


class Tied(nn.Module):
    """One kernel in two convolutions: by windows of the input, and (strided) by vmap."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.plain = nn.Conv2d(channels, outputs, 3, padding=1)
        self.strided = nn.Conv2d(channels, outputs, 3, stride=2)
        self.strided.weight = self.plain.weight

    def log_prob(self, x: Tensor) -> Tensor:
        first, second = torch.tanh(self.plain(x)), torch.sin(self.strided(x))
        return first.flatten(1).sum(1) + second.flatten(1).square().sum(1)


@pytest.mark.parametrize(("channels", "outputs"), [(2, 5), (5, 2)])
def test_a_kernel_tied_in_two_layers_of_unlike_rules(channels: int, outputs: int) -> None:
    """Both must have the gradient's entries in the kernel's own order before they are added."""
    model = perturbed(Tied(channels, outputs))
    x = torch.randn(4, channels, 5, 6, dtype=torch.float64)
    for size in (1, 2):
        expected = reference(model, x, size, OBJECTIVES["log_prob"])
        found = layer_gradient_norms(model, x, size)
        torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)


def test_a_layer_that_has_more_parameters_than_its_rule_knows_is_named() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    with pytest.raises(ValueError, match=r"0\.parametrizations\.weight\.original0"):
        layer_gradient_norms(
            model, torch.randn(4, 3), backend="batched", objective=lambda m, x: m(x).sum(1)
        )


@pytest.mark.parametrize("positions", [1, 3])
def test_biases_of_many_bf16_uses_are_added_up_in_float32(positions: int) -> None:
    """In bf16 a sum stands still once its next term is under a five-hundredth of it."""
    layer, uses = nn.Linear(4, 2), 1000
    x = torch.zeros(5, positions, 4, dtype=torch.bfloat16)
    gradient = torch.rand(5, positions, 2, generator=torch.Generator().manual_seed(0)).bfloat16()
    contribution = rules.linear(layer, rules.Use(x, (gradient,), (gradient,)))["bias"]
    found = total([contribution] * uses).squared_norm()
    exact = (uses * gradient.double().sum(1)).square().sum(1)
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("name", MODELS)
def test_bf16_products_move_log_norms_a_little(name: str) -> None:
    """Not at all would mean that bf16 was not used; the weights come back as they were."""
    model = perturbed(MODELS[name]()).float()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(10, *model.image_shape) - 0.5
    exact = layer_gradient_norms(model, x, 2).values
    rounded = layer_gradient_norms(model, x, 2, precision="bf16").values
    assert rounded.dtype == torch.float32
    kept = (exact > 0).all(0)
    errors = (rounded[:, kept].log() - exact[:, kept].log()).abs()
    assert 0 < errors.median() < 0.02
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_bf16_with_layers_that_have_no_rule() -> None:
    model = perturbed(Mixed()).float()
    x = torch.randn(6, 2, 4, 4)
    exact = layer_gradient_norms(model, x).values[:, 2:]
    rounded = layer_gradient_norms(model, x, precision="bf16").values[:, 2:]
    assert (rounded.log() - exact.log()).abs().median() < 0.05


@pytest.mark.parametrize("backend", ["vmap", "batched"])
@pytest.mark.parametrize(
    "build",
    [
        lambda: Glow((3, 16, 16), levels=2, steps=2, hidden=32),
        lambda: DenseGlow((1, 12, 12), steps=4, hidden=40, depth=2),
    ],
)
def test_max_memory_is_kept_and_changes_no_result(
    build: Callable[[], nn.Module], backend: str
) -> None:
    model = perturbed(build())
    x = torch.rand(40, *model.image_shape, dtype=torch.float64) - 0.5
    with TensorMemory() as unbounded:
        expected = layer_gradient_norms(model, x, 2, backend).values
    budget = unbounded.peak // 4
    with TensorMemory() as bounded:
        found = layer_gradient_norms(model, x, 2, backend, max_memory=budget).values
    assert bounded.peak <= budget
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-18)
    tiny = layer_gradient_norms(model, x[:4], 2, backend, max_memory=1).values
    torch.testing.assert_close(tiny, expected[:2], rtol=1e-9, atol=1e-18)


def test_memory_need_is_linear_in_the_images() -> None:
    weight = torch.zeros(1000)

    def call(x: Tensor) -> Tensor:
        first, second = 2 * x, weight + 1
        return first.sum() + second.sum()

    need = need_of(call, torch.zeros(2, 300))
    assert 1200 <= need.for_each <= 1.3 * 1200
    assert need.images_within(need.fixed + 10 * need.for_each) == 10
    assert need.images_within(1) == 1


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, stride=2),
        nn.Conv2d(2, 2, 7, padding=3),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(4, 4, 3),
    ],
)
def test_max_memory_is_kept_for_every_kind_of_convolution(layer: nn.Module) -> None:
    x = torch.randn(32, layer.in_channels, 9, 9)

    def peak(budget: int | None) -> int:
        with TensorMemory() as memory:
            layer_gradient_norms(
                layer, x, objective=lambda m, x: m(x).flatten(1).sum(1), max_memory=budget
            )
        return memory.peak

    budget = peak(None) // 3
    assert peak(budget) <= budget


def test_memory_of_others_is_not_counted_and_not_mixed_up() -> None:
    with TensorMemory() as memory:
        for _ in range(50):
            other = torch.from_numpy(np.zeros(1000, np.float32))
            other.add_(1)
            del other
        kept = [torch.zeros(1000) for _ in range(50)]
        assert memory.live == 50 * 4000
    assert len(kept) == 50


def test_group_sizes_without_a_small_common_multiple_keep_the_chunks_small() -> None:
    model = perturbed(MODELS["glow"]())
    x = torch.rand(30, 1, 8, 8, dtype=torch.float64) - 0.5
    passes = []

    def recording(model: nn.Module, x: Tensor) -> Tensor:
        passes.append(len(x))
        return model.log_prob(x)

    found = layer_gradient_norms_by_group(
        model, x, (7, 5, 5, 11), objective=recording, chunk_size=12
    )
    assert max(passes) <= 12
    for size in (5, 7, 11):
        expected = reference(model, x, size, OBJECTIVES["log_prob"])
        torch.testing.assert_close(found[size].values, expected, rtol=1e-9, atol=1e-18)


def test_memory_is_freed() -> None:
    """A hook holds the graph that holds the hook: this once leaked every batch's activations."""
    model = perturbed(MODELS["glow"]())
    x = torch.rand(4, 1, 8, 8, dtype=torch.float64)

    def living_tensors() -> int:
        gc.collect()
        return sum(type(thing) is Tensor for thing in gc.get_objects())

    layer_gradient_norms(model, x)
    before = living_tensors()
    layer_gradient_norms(model, x)
    assert living_tensors() == before


def test_works_inside_no_grad() -> None:
    model = perturbed(MODELS["glow"]())
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        inside = layer_gradient_norms(model, x).values
    torch.testing.assert_close(inside, layer_gradient_norms(model, x).values)


class TiedToChild(nn.Module):
    """A parameter of its own that is its child's weight too, used in either order."""

    def __init__(self, child_first: bool) -> None:
        super().__init__()
        self.child = nn.Linear(3, 3)
        self.weight = self.child.weight
        self.child_first = child_first

    def forward(self, x: Tensor) -> Tensor:
        if self.child_first:
            return torch.nn.functional.linear(torch.tanh(self.child(x)), self.weight)
        return self.child(torch.tanh(torch.nn.functional.linear(x, self.weight)))


class Teacher(nn.Module):
    """One half runs without a graph, and gets no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            target = self.teacher(x)
        return (self.student(x) - target).square()


class Recomputed(nn.Module):
    def __init__(self, use_reentrant: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.use_reentrant = use_reentrant

    def _inside(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self._inside, x, use_reentrant=self.use_reentrant)


class Standardised(nn.Conv2d):
    """A known type whose forward is inherited and which computes something else all the same."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight - weight.mean(), bias)


def hooked() -> nn.Module:
    layer = nn.Linear(3, 2)
    layer.register_forward_hook(lambda module, args, output: 3 * output)
    layer.register_forward_pre_hook(lambda module, args: (torch.sin(args[0]),))
    return layer


def patched() -> nn.Module:
    layer = nn.Linear(3, 2)
    layer.forward = lambda x: torch.nn.functional.linear(x, 2 * layer.weight, layer.bias)
    return layer


def hooked_without_a_rule() -> nn.Module:
    layer = nn.LayerNorm(3)
    layer.register_forward_hook(lambda module, args, output: 3 * output)
    return layer


class TiedKernels(nn.Module):
    """One kernel at two paddings, so that it is unfolded on one side here, the other there."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(5, 2, 3, padding=1), nn.Conv2d(5, 2, 3, padding=3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x).sin().flatten(1).sum(1, keepdim=True) + self.second(x).flatten(1)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: TiedToChild(child_first=True), (3,)),
        (lambda: TiedToChild(child_first=False), (3,)),
        (Teacher, (3,)),
        (lambda: Recomputed(use_reentrant=False), (3,)),
        (lambda: Standardised(2, 3, 3), (2, 5, 5)),
        (hooked, (3,)),
        (patched, (3,)),
        (hooked_without_a_rule, (3,)),
        (TiedKernels, (5, 4, 4)),
    ],
)
def test_layers_that_are_not_what_they_seem(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    """Each of these once gave wrong numbers without a word."""
    model = perturbed(build())
    x = torch.randn(6, *shape, dtype=torch.float64)

    def objective(model: nn.Module, x: Tensor) -> Tensor:
        return model(x).flatten(1).square().sum(1)

    for size in (1, 2):
        expected = reference(model, x, size, objective)
        found = layer_gradient_norms(model, x, size, objective=objective)
        torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-18)


class Aliased(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.scales = [self.scale]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scales[0]


class ChangesItsInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        x += 1
        return x * self.gain


class InputChangedLater(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(3)

    def forward(self, x: Tensor) -> Tensor:
        h = 2 * x
        y = self.norm(h)
        h.mul_(5)
        return y


def sum_of(model: nn.Module, x: Tensor) -> Tensor:
    return model(2 * x).flatten(1).sum(1)


def score_norm(model: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (score,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    return score.square().sum(1)


class SequenceFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.transpose(0, 1)).transpose(0, 1)


@pytest.mark.parametrize(
    ("build", "objective", "shape", "backend", "match"),
    [
        (
            lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh()),
            score_norm,
            (3,),
            "batched",
            r"takes gradients in its forward pass",
        ),
        (Aliased, sum_of, (3,), "batched", r"scale of Aliased: it reaches a parameter otherwise"),
        (Aliased, sum_of, (3,), "vmap", r"cannot handle scale: read otherwise"),
        (ChangesItsInput, sum_of, (3,), "batched", r"gain.*changes its input in place"),
        (InputChangedLater, sum_of, (3,), "batched", r"norm\.weight.*input was changed in place"),
        (SequenceFirst, sum_of, (4, 3), "batched", r"linear\.weight.*not \(N"),
        (
            lambda: nn.Linear(3, 2),
            lambda m, x: m(x).mean(),
            (3,),
            "loop",
            r"returns shape \(\) for \d images",
        ),
        (nn.Tanh, sum_of, (3,), "batched", r"Tanh has no parameters"),
    ],
)
def test_what_would_be_wrong_is_refused(
    build: Callable[[], nn.Module],
    objective: Callable[[nn.Module, Tensor], Tensor],
    shape: tuple[int, ...],
    backend: str,
    match: str,
) -> None:
    with pytest.raises(ValueError, match=match):
        layer_gradient_norms(build(), torch.randn(4, *shape), backend=backend, objective=objective)


def test_a_reentrant_checkpoint_is_refused() -> None:
    """It runs its layers without a graph first, where they would pass for having no gradient."""
    model = Recomputed(use_reentrant=True)
    with pytest.raises(ValueError, match="use_reentrant=False"):
        layer_gradient_norms(model, torch.randn(4, 3), backend="batched", objective=sum_of)


def test_other_models_in_the_objective_get_no_gradients() -> None:
    model, background = nn.Linear(3, 2), nn.Linear(3, 2)
    layer_gradient_norms(
        model, torch.randn(4, 3), objective=lambda m, x: (m(x) - background(x)).square().sum(1)
    )
    assert all(p.grad is None for p in (*model.parameters(), *background.parameters()))


class Nested(nn.Module):
    """A parameter of its own and a linear layer inside, which runs again for the parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.scale


def test_bf16_in_nested_layers_and_after_an_error() -> None:
    model = perturbed(nn.Sequential(Nested(), nn.Linear(8, 8))).float()

    def objective(model: nn.Module, x: Tensor) -> Tensor:
        return model(x).square().sum(1)

    x = torch.randn(20, 8)
    exact = layer_gradient_norms(model, x, objective=objective).values
    rounded = layer_gradient_norms(model, x, objective=objective, precision="bf16").values
    assert 0 < (rounded.log() - exact.log()).abs().median() < 0.05

    def failing(model: nn.Module, x: Tensor) -> Tensor:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        layer_gradient_norms(model, x, objective=failing, precision="bf16")
    assert all(p.dtype == torch.float32 for p in model.parameters())
    with pytest.raises(ValueError, match=r"the model is torch\.float64"):
        layer_gradient_norms(model.double(), x.double(), objective=objective, precision="bf16")


class Outside(nn.Module):
    """The embedding's weight is used a second time without its layer, as tied decoders do."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(3))

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(self.first(x) * self.scale, self.first.weight).sum(1)


class Unhooked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.first.forward(x).sum(1)


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.nn.functional.relu(self.linear(x), inplace=True).sum(1)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Bilinear(3, 3, 2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.both(x, x).sum(1)


class Whole(nn.Module):
    """A layer that mixes the samples, whose output has another first dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.linear(x.repeat(2, 1)).sum(1)[: len(x)]


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (Outside(), r"handle scale, first\.weight: used outside of its layer's forward"),
        (Unhooked(), r"handle first\.weight, first\.bias: used outside"),
        (InPlace(), r"linear\.weight, linear\.bias of Linear: .*changed in place"),
        (TwoInputs(), r"both\.weight.*not called with exactly one"),
        (Whole(), r"linear\.weight.*not \(N, \.\.\.\)"),
    ],
)
def test_what_cannot_be_handled_is_named(model: nn.Module, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        layer_gradient_norms(model, torch.randn(4, 3), backend="batched")
    assert all(p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_wrong_arguments_are_named() -> None:
    model = MODELS["glow"]()
    x = torch.zeros(3, 1, 8, 8)
    with pytest.raises(ValueError, match=r"no backend 'batch'.*Did you mean 'batched'"):
        layer_gradient_norms(model, x, backend="batch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no objective 'logprob'.*log_prob, sum_z"):
        layer_gradient_norms(model, x, objective="logprob")
    with pytest.raises(ValueError, match=r"group_size is 4, but there are only 3"):
        layer_gradient_norms(model, x, group_size=4)
    with pytest.raises(ValueError, match="group_size is 0"):
        layer_gradient_norms(model, x, group_size=0)
    with pytest.raises(ValueError, match=r"precision is 'fp16'.*float32, tf32, bf16"):
        layer_gradient_norms(model, x, precision="fp16")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"precision is 'bf16', but backend 'loop'.*'batched'"):
        layer_gradient_norms(model, x, backend="loop", precision="bf16")
    with pytest.raises(ValueError, match="max_memory is 0"):
        layer_gradient_norms(model, x, max_memory=0)
    with pytest.raises(ValueError, match="chunk_size is 0"):
        layer_gradient_norms(model, x, chunk_size=0)
    with pytest.raises(TypeError, match="Linear has no method 'log_prob'"):
        layer_gradient_norms(nn.Linear(2, 2), torch.zeros(3, 2))
