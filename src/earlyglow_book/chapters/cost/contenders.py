"""Who is compared: our backends, our training step, and other ways to write the same."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earlyglow.flows import Flow, Glow
from earlyglow.flows.layers import ActNormConv1x1, ConvActNormReLU
from earlyglow.gradients import layer_gradient_norms
from earlyglow_book.chapters.cost.measuring import Contender
from earlyglow_book.flow_runs.flows import FlowSpec

TRAINING_STEP = "training step"
RECOMPUTED = "recomputed"


def perturbed_flow(spec: FlowSpec, seed: int) -> Flow:
    """A flow moved away from its zero-initialised start, so that no gradient vanishes."""
    flow = spec.build(seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in flow.parameters():
        parameter.data += 0.01 * torch.randn(parameter.shape, generator=generator)
    return flow.eval()


def norms_by(flow: Flow, x: Tensor, backend: str, precision: str = "float32") -> Contender:
    """The norms of a batch in one pass; named by backend, precision and batch size."""

    def call() -> Tensor:
        return layer_gradient_norms(
            flow,
            x,
            backend=backend,  # type: ignore[arg-type]
            chunk_size=len(x),
            precision=precision,  # type: ignore[arg-type]
        ).values

    name = backend if precision == "float32" else f"{backend} {precision}"
    return Contender(name, len(x), call)


def step(
    name: str, flow: nn.Module, x: Tensor, log_prob: Callable[[Tensor], Tensor] | None = None
) -> Contender:
    """One forward and one backward pass; the optimiser's step is left out.

    Args:
        name: of the contender.
        flow: what is trained.
        x: images (N, C, H, W).
        log_prob: from images to log-densities (N,), where it is not the flow's method.
    """
    likelihood: Callable[[Tensor], Tensor] = log_prob or flow.log_prob  # type: ignore[assignment]

    def call() -> None:
        flow.zero_grad(set_to_none=True)
        likelihood(x).mean().neg().backward()
        flow.zero_grad(set_to_none=True)

    return Contender(name, len(x), call)


def other_steps(spec: FlowSpec, seed: int, x: Tensor, few: Tensor) -> list[Contender]:
    """Other ways to make the same step of a Glow; slow bf16 on ``few``, recomputing on both."""
    if spec.model != "glow":
        return []
    plain, recomputing, low = (perturbed_flow(spec, seed) for _ in range(3))
    recomputing.recompute_activations()  # type: ignore[operator]
    recomputing.train()
    rival = normflows_glow(spec)

    def in_bf16(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            return low.log_prob(images)

    return [
        step("straightforward", straightforward(plain), x),  # type: ignore[arg-type]
        step(RECOMPUTED, recomputing, x),
        step(RECOMPUTED, recomputing, few),
        step("bf16 autocast", low, few, in_bf16),
        step("normflows", rival, x, lambda images: rival.log_prob(images, None)),  # type: ignore[operator]
    ]


def straightforward(flow: Glow) -> Glow:
    """A copy that computes the same layer by layer, in the default layout of memory."""
    plain = copy.deepcopy(flow).to(memory_format=torch.contiguous_format)
    for module in plain.modules():
        if type(module) in _UNFOLDED:
            module.__class__ = _UNFOLDED[type(module)]
    return plain


class _UnfoldedConv(ConvActNormReLU):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x))[0])


class _UnfoldedConv1x1(ActNormConv1x1):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h, norm = self.norm(x)
        z, conv = self.conv(h)
        return z, norm + conv


_UNFOLDED: dict[type[nn.Module], type[nn.Module]] = {
    ConvActNormReLU: _UnfoldedConv,
    ActNormConv1x1: _UnfoldedConv1x1,
}


def normflows_glow(spec: FlowSpec) -> nn.Module:
    """The Glow of the package normflows with the same levels, steps and hidden channels.

    Its base distributions are Gaussians with learned means and deviations.
    """
    try:
        import normflows as nf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the comparison needs the package normflows; install it with "
            "pip install 'earlyglow[bench]'."
        ) from error
    (channels, height, width), levels = spec.image_shape, spec.sizes["levels"]
    bases, merges, flows = [], [], []
    for i in range(levels):
        at_level = channels * 2 ** (levels + 1 - i)
        with warnings.catch_warnings():
            # normflows 1.7 calls a deprecated decomposition.
            warnings.simplefilter("ignore")
            blocks = [
                nf.flows.GlowBlock(at_level, spec.sizes["hidden"], net_actnorm=True)
                for _ in range(spec.sizes["steps"])
            ]
        flows.append([*blocks, nf.flows.Squeeze()])
        kept, side = at_level, 2**levels
        if i > 0:
            merges.append(nf.flows.Merge())
            kept, side = at_level // 2, 2 ** (levels - i)
        bases.append(nf.distributions.DiagGaussian((kept, height // side, width // side)))
    return nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
