"""Body and head of real networks: together they are the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import earlyglow as eg
from earlyglow.classifiers import SmallCNN, SmallResNet
from earlyglow.short_circuit import GradientShortCircuit, SplitError, split

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "resnet": (torchvision.models.resnet18, ("conv1", "layer3.1", "layer4", "avgpool")),
    "vgg": (lambda: torchvision.models.vgg11(num_classes=7), ("features.3",)),
    "mobilenet": (torchvision.models.mobilenet_v3_small, ("features.6",)),
    "vision transformer": (
        lambda: torchvision.models.vit_b_32(num_classes=7, image_size=32),
        ("encoder.layers.encoder_layer_9",),
    ),
    "SmallResNet": (lambda: SmallResNet(10, 8), ("stage2", "stage3.0")),
    "SmallCNN": (lambda: SmallCNN(3, 10, 8), ("stage2",)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_head_after_body_is_the_network(name: str) -> None:
    torch.manual_seed(0)
    build, cuts = NETWORKS[name]
    model, x = build(), torch.randn(2, 3, 32, 32)
    for at in cuts:
        before = [module.training for module in model.train().modules()]
        body, head = split(model, at)
        assert [module.training for module in model.modules()] == before
        model.eval()
        with torch.no_grad():
            torch.testing.assert_close(head(body(x)), model(x))


@pytest.mark.filterwarnings("ignore::earlyglow.short_circuit.AffineHeadWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_first_order_is_that_of_forward_mode(name: str) -> None:
    torch.manual_seed(0)
    build, cuts = NETWORKS[name]
    model = build().double().eval()
    with torch.no_grad():
        # Some last layers start at zero.
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    body, head = split(model, cuts[-1])
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    explained = GradientShortCircuit(body, head, 0.1).explain(x)
    features = body(x).detach()
    change = torch.zeros_like(features).flatten(1)
    change.scatter_(1, explained.coordinates, -features.flatten(1).gather(1, explained.coordinates))
    with sdpa_kernel(SDPBackend.MATH):
        _, product = torch.func.jvp(
            lambda values: head(values.clone()), (features,), (change.view_as(features),)
        )
    assert product.abs().max() > 0
    torch.testing.assert_close(explained.logits_after, explained.logits_before + product)


def test_weights_are_shared() -> None:
    model = SmallCNN(1, 10, 4)
    body, head = split(model, "stage1")
    own = {id(p) for p in model.parameters()}
    parts = [{id(p) for p in part.parameters()} for part in (body, head)]
    assert parts[0] | parts[1] == own
    assert not parts[0] & parts[1]


def test_the_five_lines_of_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "book/api.md").read_text()
    block = next(part for part in page.split("```python")[1:] if "eg.split" in part)
    names = {"torchvision": torchvision, "eg": eg, "x": torch.rand(2, 3, 64, 64)}
    exec(block.split("```")[0], names)  # noqa: S102
    assert names["scores"].shape == (2,)
    explained = names["explained"]
    torch.testing.assert_close(explained.logits_before, names["model"](names["x"]))
    assert explained.coordinates.shape == (2, round(0.05 * 256 * 4 * 4))


class Bypass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + x


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Branch(Twice):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else x


class Pair(Twice):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(x), x


class Unused(Bypass):
    def forward(self, x: Tensor) -> Tensor:
        return self.first(x)


@pytest.mark.parametrize(
    ("model", "at", "message"),
    [
        (torchvision.models.resnet18(), "layer9", "there is no module 'layer9'"),
        (torchvision.models.resnet18(), "layer3.1.conv1", "goes around 'layer3.1.conv1'"),
        (torchvision.models.resnet18(), "layer3.1.relu", "is called 2 times"),
        (Bypass(), "first", "the value 'x' goes around 'first'"),
        (Twice(), "layer", "the module 'layer' is called 2 times"),
        (Unused(), "second", "the module 'second' is called 0 times"),
        (Branch(), "layer", "Branch cannot be traced by torch.fx"),
        (Pair(), "layer", "the network returns a tuple, but it must return one tensor"),
    ],
    ids=["unknown", "inside a block", "relu twice", "bypass", "twice", "unused", "branch", "pair"],
)
def test_a_cut_that_cannot_be_made_is_explained(model: nn.Module, at: str, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(model, at)


def test_a_fixed_tensor_may_join_after_the_cut() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.shift = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            shift = self.shift * 2
            return torch.tanh(self.layer(x)) + shift

    model = Shifted()
    body, head = split(model, "layer")
    x = torch.randn(4, 3)
    torch.testing.assert_close(head(body(x)), model(x))
    assert GradientShortCircuit(body, head).predict(x).shape == (4,)
