"""Per-image norms by other packages: how many tensors they cover, how exactly, how fast."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

import earlyglow as eg
from earlyglow.gradients.layer_norms import Backend
from earlyglow_book.chapters.cost.comparison import straightforward
from earlyglow_book.chapters.cost.measuring import Contender, interleaved_times, perturbed
from earlyglow_book.flow_runs.flows import FlowSpec, flow_spec
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.machine import processor_name
from earlyglow_book.results import Computed

PACKAGES = ("opacus", "backpack")
# Norms² below this share of the image's largest say nothing of a rule.
_TINY_SHARE = 1e-12
# What a package gives: norms² (N,) by the name of the tensor.
Norms = Mapping[str, Tensor]
# Prepares a model once; what it returns takes images (N, C, H, W).
Peer = Callable[[nn.Module], Callable[[Tensor], Norms]]


class LogProb(nn.Module):
    """A model whose call is its ``log_prob``: the other packages watch calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """(N,) from images (N, C, H, W)."""
        return self.log_prob(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """(N,) from images (N, C, H, W)."""
        values: Tensor = self.model.log_prob(x)  # type: ignore[operator]
        return values


class PlainNetwork(nn.Module):
    """Convolutions and a linear layer, each called once: what every package has rules for."""

    def __init__(self, channels: int, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )

    def log_prob(self, x: Tensor) -> Tensor:
        """(N,) log-probabilities of the first class."""
        logits: Tensor = self.body(x)
        return logits.log_softmax(1)[:, 0]


def measured(profile: str, seed: int) -> Computed:
    """A row for each model and package: tensors covered, the error, and the speed.

    Raises:
        ModuleNotFoundError: one of the packages is not installed.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(
                f"the comparison needs the package {package}; run it by make bench-peers."
            )
    spec, images, rounds = _plan(profile)
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(images, *spec.image_shape, generator=generator) - 0.5
    torch.manual_seed(seed)
    plain = PlainNetwork(spec.image_shape[0])
    glow = straightforward(perturbed(spec.build(seed), seed))
    models = {"plain network": plain, "Glow": glow}
    rows = [row for title, model in models.items() for row in _rows(title, model, x, rounds)]
    return Computed({"peers": pd.DataFrame(rows)}, device=processor_name())


def _plan(profile: str) -> tuple[FlowSpec, int, int]:
    """The Glow, the images of a call and the rounds."""
    if profile == "smoke":
        return FlowSpec("glow", (3, 8, 8), {"levels": 2, "steps": 1, "hidden": 8}), 4, 1
    return flow_spec("glow", "cifar10", find_profile("classroom")), 16, 5


def _rows(title: str, model: nn.Module, x: Tensor, rounds: int) -> list[dict[str, object]]:
    exact = _ours("loop")(copy.deepcopy(model).double())(x.double())
    rows = []
    for name, prepare in PEERS.items():
        facts = {"model": title, "package": name, "of": len(exact)}
        try:
            norms = prepare(copy.deepcopy(model))
            found = norms(x)
        except NotImplementedError as error:
            rows.append({**facts, "tensors": 0, "refusal": str(error)})
            continue
        times = interleaved_times([Contender(name, len(x), partial(norms, x))], rounds)
        errors = [_error(value, exact[tensor], exact) for tensor, value in found.items()]
        rows.append(
            {
                **facts,
                "tensors": len(found),
                "worst_error": max(errors, default=float("nan")),
                "images_per_second": len(x) / times["seconds"].median(),
                "refusal": "",
            }
        )
    return rows


def _error(found: Tensor, exact: Tensor, every: Norms) -> float:
    """Largest relative error of the norms² over the images where they are not tiny."""
    largest = torch.stack(list(every.values())).amax(0)
    present = exact > _TINY_SHARE * largest
    errors = (found.double() - exact).abs()[present] / exact[present]
    return float(errors.max()) if len(errors) else 0.0


def _ours(backend: Backend) -> Peer:
    def prepare(model: nn.Module) -> Callable[[Tensor], Norms]:
        def norms(x: Tensor) -> Norms:
            found = eg.layer_gradient_norms(model, x, backend=backend, chunk_size=len(x))
            return dict(zip(found.names, found.values.T, strict=True))

        return norms

    return prepare


def _opacus(model: nn.Module) -> Callable[[Tensor], Norms]:
    """Opacus' gradients of single images, which it keeps at each tensor.

    Raises:
        NotImplementedError: Opacus refuses the model.
    """
    from opacus.grad_sample import GradSampleModule

    watched = GradSampleModule(LogProb(model), loss_reduction="sum")

    def norms(x: Tensor) -> Norms:
        watched.zero_grad(set_to_none=True)
        watched(x).sum().backward()
        return {
            name: parameter.grad_sample.flatten(1).square().sum(1)  # type: ignore[attr-defined]
            for name, parameter in model.named_parameters()
            if getattr(parameter, "grad_sample", None) is not None
        }

    return norms


def _backpack(model: nn.Module) -> Callable[[Tensor], Norms]:
    """BackPACK's squared norms, which it keeps at the tensors of the layers that it knows."""
    from backpack import backpack, extend
    from backpack.extensions import BatchL2Grad

    watched = extend(LogProb(model))

    def norms(x: Tensor) -> Norms:
        watched.zero_grad(set_to_none=True)
        with warnings.catch_warnings(), backpack(BatchL2Grad()):
            # It warns of each layer that it leaves out: the table says how many.
            warnings.simplefilter("ignore")
            watched(x).sum().backward()
        return {
            name: parameter.batch_l2.detach()
            for name, parameter in model.named_parameters()
            if hasattr(parameter, "batch_l2")
        }

    return norms


PEERS: dict[str, Peer] = {
    "loop": _ours("loop"),
    "torch.func": _ours("vmap"),
    "earlyglow": _ours("batched"),
    "Opacus": _opacus,
    "BackPACK": _backpack,
}
