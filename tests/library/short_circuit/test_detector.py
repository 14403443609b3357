"""Gradient Short-Circuit against one backward pass per image and class, written out by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from pytorch_ood.detector import EnergyBased, MaxLogit, MaxSoftmax
from torch import Tensor, nn

from earlyglow.short_circuit import AffineHeadWarning, Explanation, GradientShortCircuit


class Squash(nn.Module):
    """A head that no ReLU network resembles."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(32, 7)
        self.second = nn.Linear(7, 5)
        # Far enough from zero for tanh to be visibly curved.
        self.first.weight.data *= 20

    def forward(self, features: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(features.flatten(1))))


@pytest.fixture
def body() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()).double()


@pytest.fixture
def head() -> nn.Module:
    torch.manual_seed(1)
    return Squash().double()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(2)).double() - 0.5


def linear_head() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 5)).double()


def by_hand(body: nn.Module, head: nn.Module, image: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """First-order and exact logits (C,) of one image whose top features are set to zero."""
    features = body(image[None])[0].detach()
    jacobian = torch.autograd.functional.jacobian(lambda f: head(f[None])[0], features)
    logits = head(features[None])[0].detach()
    gradient = jacobian[logits.argmax()].flatten()
    cut = features.flatten().clone()
    cut[gradient.abs().argsort(descending=True)[:count]] = 0
    change = cut - features.flatten()
    exact = head(cut.view_as(features)[None])[0].detach()
    return logits + jacobian.flatten(1) @ change, exact


@pytest.mark.parametrize("fraction", [0.05, 0.2, 1.0])
def test_first_order_and_exact_equal_one_jacobian_per_image(
    body: nn.Module, head: nn.Module, images: Tensor, fraction: float
) -> None:
    first = GradientShortCircuit(body, head, fraction).explain(images)
    exact = GradientShortCircuit(body, head, fraction, exact=True).explain(images)
    for i, image in enumerate(images):
        expected, again = by_hand(body, head, image, max(1, round(fraction * 32)))
        torch.testing.assert_close(first.logits_after[i], expected)
        torch.testing.assert_close(exact.logits_after[i], again)
    assert (first.logits_after - exact.logits_after).abs().max() > 1e-4


def test_one_backward_pass_gives_what_forward_mode_gives(
    body: nn.Module, head: nn.Module, images: Tensor
) -> None:
    explained = GradientShortCircuit(body, head, 0.2).explain(images)
    features = body(images).detach()
    change = torch.zeros_like(features).flatten(1)
    change.scatter_(1, explained.coordinates, -features.flatten(1).gather(1, explained.coordinates))
    change = change.view_as(features)
    _, product = torch.func.jvp(head, (features,), (change,))
    torch.testing.assert_close(explained.logits_after - explained.logits_before, product)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda f: head(f[None])[0]))(features)
    chosen = jacobians[torch.arange(6), explained.logits_before.argmax(1)]
    torch.testing.assert_close(explained.gradient, chosen)


def test_an_affine_head_makes_the_first_order_exact_and_says_so(
    body: nn.Module, images: Tensor
) -> None:
    detector = GradientShortCircuit(body, linear_head(), 0.1)
    with pytest.warns(UserWarning, match="the head is affine"):
        first = detector.predict(images.float().double())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.predict(images)
    with pytest.warns(UserWarning, match="the head is affine"):
        exact = GradientShortCircuit(body, linear_head(), 0.1, exact=True).predict(images)
    torch.testing.assert_close(first, exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(32, 5, bias=False), nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.Linear(32, 5, bias=False), nn.Tanh()),
    ],
    ids=["homogeneous", "odd"],
)
def test_a_head_without_biases_is_not_taken_for_affine(
    body: nn.Module, head: nn.Module, images: Tensor
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Features large enough for tanh to be visibly curved.
        GradientShortCircuit(body, head.double()).predict_features(20 * body(images))


def test_features_that_are_cut_are_zero_and_the_others_stay(
    body: nn.Module, head: nn.Module, images: Tensor
) -> None:
    seen: list[Tensor] = []
    head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    explained = GradientShortCircuit(body, head, 0.25, exact=True).explain(images)
    before, after = body(images).detach().flatten(1), seen[-1].flatten(1)
    assert (after.gather(1, explained.coordinates) == 0).all()
    rest = torch.ones_like(before, dtype=torch.bool).scatter(1, explained.coordinates, False)
    assert torch.equal(after[rest], before[rest])


def test_the_largest_gradients_are_chosen(body: nn.Module, head: nn.Module, images: Tensor) -> None:
    explained = GradientShortCircuit(body, head, 0.25).explain(images)
    assert explained.coordinates.shape == (6, 8)
    sizes = explained.gradient.flatten(1).abs()
    chosen = sizes.gather(1, explained.coordinates)
    rest = sizes.scatter(1, explained.coordinates, 0)
    assert (chosen.min(1).values >= rest.max(1).values).all()
    assert (chosen.diff(dim=1) <= 0).all()


@pytest.mark.parametrize(
    ("intervention", "expected"),
    [
        ("zero", [0.0, 1.0, 0.0, -2.0]),
        ("scale", [4.0, 1.0, -2.5, -2.0]),
        # The magnitudes 8, 1, 5, 2 have the mean 4.
        ("clamp", [4.0, 1.0, -4.0, -2.0]),
    ],
)
def test_interventions(intervention: str, expected: list[float]) -> None:
    class Weigh(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            total = features @ torch.tensor([3.0, 0.1, 2.0, 0.2])
            return torch.stack((1e3 + total, total * 0 + features.square().sum(1)), 1)

    detector = GradientShortCircuit(
        nn.Identity(),
        Weigh(),
        fraction=0.5,
        intervention=intervention,  # type: ignore[arg-type]
        exact=True,
    )
    after = detector.explain(torch.tensor([[8.0, 1.0, -5.0, -2.0]])).logits_after
    wanted = Weigh()(torch.tensor([expected]))
    torch.testing.assert_close(after, wanted)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_scores_are_those_of_pytorch_ood(
    body: nn.Module, head: nn.Module, images: Tensor, temperature: float
) -> None:
    references = {
        "energy": EnergyBased(None, t=temperature),
        "msp": MaxSoftmax(None, t=temperature),
        "max_logit": MaxLogit(None),
    }
    for score, reference in references.items():
        detector = GradientShortCircuit(
            body,
            head,
            score=score,  # type: ignore[arg-type]
            temperature=temperature,
        )
        after = detector.explain(images).logits_after
        torch.testing.assert_close(detector.predict(images), reference.predict_logits(after))


def test_nothing_of_the_classifier_changes(
    body: nn.Module, head: nn.Module, images: Tensor
) -> None:
    with_norm = nn.Sequential(nn.BatchNorm2d(1), body).double().train()
    before = {name: value.clone() for name, value in with_norm.state_dict().items()}
    GradientShortCircuit(with_norm, head).predict(images)
    assert with_norm.training
    assert with_norm[0].training
    assert all(p.grad is None and p.requires_grad for p in [*with_norm.parameters()])
    assert all(p.grad is None and p.requires_grad for p in head.parameters())
    for name, value in with_norm.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_a_head_that_works_in_place_leaves_the_features_alone(
    body: nn.Module, images: Tensor
) -> None:
    head = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32, 5)).double()
    features = body(images).detach() - 0.1
    kept = features.clone()
    in_place = GradientShortCircuit(body, head).predict_features(features)
    head[0] = nn.ReLU()
    torch.testing.assert_close(features, kept)
    torch.testing.assert_close(in_place, GradientShortCircuit(body, head).predict_features(kept))


def test_a_relu_that_never_cuts_does_not_make_a_head_curved(
    body: nn.Module, images: Tensor
) -> None:
    """Features after a ReLU are not negative, so a second one changes nothing."""
    head = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)).double()
    with pytest.warns(AffineHeadWarning):
        GradientShortCircuit(body, head).predict(images)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_every_precision(body: nn.Module, images: Tensor, dtype: torch.dtype) -> None:
    head = linear_head().to(dtype)
    with pytest.warns(AffineHeadWarning):
        scores = GradientShortCircuit(body.to(dtype), head, 0.1).predict(images.to(dtype))
    assert scores.dtype == dtype


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda x: {"logits": x.flatten(1)}, "the head returned dict, but it must return logits"),
        (lambda x: x, r"the head returned \(1, 2, 4, 4\), but it must return logits"),
    ],
)
def test_a_head_without_logits_is_refused(
    body: nn.Module,
    images: Tensor,
    output: Callable[[Tensor], object],
    message: str,
) -> None:
    class Wrong(nn.Module):
        def forward(self, features: Tensor) -> object:
            return output(features)

    with pytest.raises(ValueError, match=message):
        GradientShortCircuit(body, Wrong()).predict(images)


def test_it_works_inside_no_grad_and_one_image_at_a_time(
    body: nn.Module, head: nn.Module, images: Tensor
) -> None:
    detector = GradientShortCircuit(body, head)
    together = detector.predict(images)
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            alone = torch.cat([detector.predict(image[None]) for image in images])
        torch.testing.assert_close(together, alone)
    assert not together.requires_grad


def test_another_importance_can_be_given(body: nn.Module, head: nn.Module, images: Tensor) -> None:
    detector = GradientShortCircuit(
        body, head, 0.1, importance=lambda features, gradient: features.abs()
    )
    explained: Explanation = detector.explain(images)
    largest = body(images).flatten(1).abs().topk(3, dim=1).indices
    torch.testing.assert_close(explained.coordinates, largest)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"fraction": 0}, "fraction is 0, but it must be a number above 0"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"temperature": 0}, "temperature is 0, but it must be a finite number above 0"),
        ({"intervention": "cut"}, "intervention is 'cut', but it must be one of zero, scale"),
        ({"score": "entropy"}, "score is 'entropy', but it must be one of energy, msp"),
    ],
)
def test_bad_settings_are_refused_by_name(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GradientShortCircuit(nn.Identity(), nn.Identity(), **setting)  # type: ignore[arg-type]
