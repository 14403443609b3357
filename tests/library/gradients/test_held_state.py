"""Models that hold things in unusual places, and images that are no plain numbers."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from earlyglow.gradients import (
    SlowerWayWarning,
    layer_gradient_norms,
    layer_gradient_norms_by_group,
)

BACKENDS = ["auto", "loop", "vmap", "batched"]


class Model(nn.Module):
    """Layers by name, and a function of them that gives the log-likelihood."""

    def __init__(self, log_prob: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._log_prob = log_prob

    def log_prob(self, x: Tensor) -> Tensor:
        return self._log_prob(self, x)


def plain(dtype: torch.dtype = torch.float32) -> Model:
    torch.manual_seed(0)
    return Model(lambda m, x: -m.a(x).square().sum(1), a=nn.Linear(3, 2).to(dtype))


def under_two_names() -> Model:
    layer = nn.Linear(3, 3)
    return Model(lambda m, x: m.b(m.a(x).tanh()).sum(1), a=layer, b=layer)


def under_two_names_and_bare() -> Model:
    layer = nn.Linear(3, 3)
    return Model(lambda m, x: F.linear(m.b(x).tanh(), m.a.weight).sum(1), a=layer, b=layer)


def shared_below() -> Model:
    layer = nn.Linear(3, 3)
    a, b = nn.Sequential(layer, nn.Tanh()), nn.Sequential(nn.Tanh(), layer)
    return Model(lambda m, x: m.b(m.a(x)).sum(1), a=a, b=b)


def tied() -> Model:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    return Model(lambda m, x: F.linear(m.b(m.a(x).tanh()), m.b.weight).sum(1), a=a, b=b)


@pytest.mark.parametrize("make", [under_two_names, under_two_names_and_bare, shared_below, tied])
def test_what_has_two_names_is_one_and_stays_in_place(make: Callable[[], Model]) -> None:
    torch.manual_seed(0)
    model, x = make().double(), torch.randn(5, 3, dtype=torch.float64)
    objects, before = list(model.parameters()), copy.deepcopy(model.state_dict())
    expected = layer_gradient_norms(model, x, backend="loop").values
    for backend in ("auto", "vmap"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = layer_gradient_norms(model, x, backend=backend).values
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
        assert all(a is b for a, b in zip(objects, model.parameters(), strict=True))
        assert all(isinstance(p, nn.Parameter) for p in model.parameters())
        assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())


class Counting(nn.Module):
    """Puts another tensor in its buffer's place at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", None)

    def log_prob(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return self.a(x).sum(1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_buffer_that_is_replaced_is_put_back(backend: str) -> None:
    model = Counting()
    calls = model.calls
    layer_gradient_norms(model, torch.randn(4, 3), backend=backend)
    assert model.calls is calls
    assert model.calls == 0


def test_complex_layers_go_another_way_than_the_batched() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2, dtype=torch.complex64)
    model = Model(lambda m, x: m.a(x.to(torch.complex64)).abs().square().sum(1), a=layer)
    x = torch.randn(4, 3)
    expected = layer_gradient_norms(model, x, backend="loop").values
    with pytest.warns(UserWarning, match="2 of 2 tensors"):
        found = layer_gradient_norms(model, x).values
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="real numbers; use backend='auto'"):
        layer_gradient_norms(model, x, backend="batched")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_that_changes_its_images_is_named_and_they_stay(backend: str) -> None:
    model = Model(lambda m, x: m.a(x.mul_(2)).sum(1), a=nn.Linear(3, 2))
    x = torch.ones(4, 3)
    with pytest.raises(ValueError, match="changes its images in place"):
        layer_gradient_norms(model, x, backend=backend)
    assert (x == 1).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 19])
def test_an_image_without_numbers_is_named_wherever_it_is(place: int, value: float) -> None:
    x = torch.randn(20, 3)
    x[place, 1] = value
    with pytest.raises(ValueError, match=f"image {place}|number {place}"):
        layer_gradient_norms(plain(), x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_images_of_another_type_than_the_models_are_named(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"dtype {dtype} and the model has torch.float32"):
        layer_gradient_norms(plain(), torch.randn(4, 3).to(dtype))


def test_a_model_may_take_another_type_than_its_first_parameter() -> None:
    model = Model(lambda m, x: m.a(x.double()).sum(1), a=nn.Linear(3, 2).double())
    assert layer_gradient_norms(model, torch.randn(4, 3)).values.shape == (4, 2)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.nested.nested_tensor([torch.ones(3), torch.ones(3)]), "nested"),
        (torch.empty(2, 3, device="meta"), "meta"),
    ],
)
def test_tensors_that_are_not_dense_are_named(x: Tensor, kind: str) -> None:
    with pytest.raises(TypeError, match=f"the images are a {kind} tensor"):
        layer_gradient_norms(plain(), x)


def test_a_wrapper_names_the_model_inside() -> None:
    with pytest.raises(TypeError, match=r"pass model\.module"):
        layer_gradient_norms(nn.DataParallel(plain()), torch.ones(2, 3))


def test_what_torch_func_refuses_before_it_starts_is_one_sentence() -> None:
    def hooked(m: nn.Module, x: Tensor) -> Tensor:
        hidden = m.a(x)
        hidden.register_hook(lambda gradient: gradient)
        return hidden.sum(1)

    with pytest.raises(ValueError, match=r"torch\.func cannot handle Model .*use backend='auto'"):
        layer_gradient_norms(Model(hooked, a=nn.Linear(3, 2)), torch.ones(2, 3), backend="vmap")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("images", [2, 3, 6])
def test_a_batch_that_is_taken_for_a_sequence_is_refused(images: int, backend: str) -> None:
    # Without batch_first the first images are alike, alone and in the batch.
    model = Model(lambda m, x: m.a(x)[0].square().sum((1, 2)), a=nn.GRU(4, 3))
    with pytest.raises(ValueError, match=r"beside other images.*batch_first=True"):
        layer_gradient_norms(model, torch.rand(images, 5, 4), backend=backend)


def drawn(count: int | None) -> Model:
    """Noise by a seed: one draw for each image, or the same for all."""

    def log_prob(m: nn.Module, x: Tensor) -> Tensor:
        noise = torch.randn(x[:count].shape, generator=torch.Generator().manual_seed(0))
        return m.a(x + noise).square().sum(1)

    return Model(log_prob, a=nn.Linear(4, 3))


def test_noise_by_a_seed_must_be_one_draw_for_all_images() -> None:
    x = torch.rand(6, 4)
    with pytest.raises(ValueError, match="noise that is drawn by place"):
        layer_gradient_norms(drawn(None), x)
    model = drawn(1)
    loop = layer_gradient_norms(model, x, backend="loop").values
    torch.testing.assert_close(layer_gradient_norms(model, x, backend="batched").values, loop)


@pytest.mark.parametrize("after", [False, True])
def test_a_hook_on_what_a_layer_gave_is_no_rules_business(after: bool) -> None:
    def hooked(m: nn.Module, x: Tensor) -> Tensor:
        hidden = m.a(x)
        # Of another tensor than a layer's output, a hook is part of the gradient that arrives.
        hidden = hidden.tanh() if after else hidden
        hidden.register_hook(lambda gradient: gradient / 2)
        return hidden.square().sum(1)

    model, x = Model(hooked, a=nn.Linear(3, 2)).double(), torch.randn(4, 3).double()
    loop = layer_gradient_norms(model, x, backend="loop").values
    if after:
        found = layer_gradient_norms(model, x, backend="batched").values
        torch.testing.assert_close(found, loop)
    else:
        with pytest.raises(ValueError, match=r"a gradient hook.*use backend='auto'"):
            layer_gradient_norms(model, x, backend="batched")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowerWayWarning)
        torch.testing.assert_close(layer_gradient_norms(model, x).values, loop)


@pytest.mark.parametrize("mode", ["all", "any"])
def test_hooks_that_only_look_are_no_hooks(mode: Literal["all", "any"]) -> None:
    """PyTorch's counters of operations put them around every layer."""

    def observed(m: nn.Module, x: Tensor) -> Tensor:
        hidden = m.a(x)
        register_multi_grad_hook([hidden], lambda _: None, mode=mode)
        return hidden.square().sum(1)

    model, x = Model(observed, a=nn.Linear(3, 2)), torch.randn(4, 3)
    loop = layer_gradient_norms(model, x, backend="loop").values
    with FlopCounterMode(display=False) as counter:
        found = layer_gradient_norms(model, x, backend="batched").values
    torch.testing.assert_close(found, loop)
    assert counter.get_total_flops() > 0


def test_gradients_that_a_model_keeps_are_no_hooks() -> None:
    def keeping(m: nn.Module, x: Tensor) -> Tensor:
        hidden = m.a(x)
        hidden.retain_grad()
        return hidden.square().sum(1)

    model, x = Model(keeping, a=nn.Linear(3, 2)), torch.randn(4, 3)
    loop = layer_gradient_norms(model, x, backend="loop").values
    torch.testing.assert_close(layer_gradient_norms(model, x, backend="batched").values, loop)


def test_a_likelihood_of_more_than_images_is_named() -> None:
    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 2)

        def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
            return self.a(x + context).sum(1)

    model, x = Conditional(), torch.ones(2, 3)
    with pytest.raises(TypeError, match=r"argument: 'context'.*pass objective=lambda"):
        layer_gradient_norms(model, x)
    found = layer_gradient_norms(model, x, objective=lambda m, x: m.log_prob(x, torch.ones(3)))
    assert found.values.shape == (2, 2)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_images_of_whole_numbers_are_named(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"dtype {dtype} and Model takes torch.float32"):
        layer_gradient_norms(plain(), torch.ones(4, 3).to(dtype))


@pytest.mark.parametrize("sizes", [2, (), None])
def test_group_sizes_are_a_list(sizes: object) -> None:
    with pytest.raises(ValueError, match="a list of whole numbers"):
        layer_gradient_norms_by_group(plain(), torch.ones(4, 3), sizes)  # type: ignore[arg-type]
