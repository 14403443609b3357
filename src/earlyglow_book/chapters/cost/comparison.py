"""Three flows, every backend and every batch size in rounds, beside other ways to do the same."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import earlyglow as eg
from earlyglow.flows.layers import ActNormConv1x1, ConvActNormReLU
from earlyglow.gradients.layer_norms import Backend, Precision
from earlyglow.progress import progress_bar
from earlyglow_book.chapters.cost import measuring
from earlyglow_book.chapters.cost.measuring import Contender
from earlyglow_book.flow_runs.flows import FlowSpec, train_flow
from earlyglow_book.machine import processor_name
from earlyglow_book.results import Computed, Tables

if TYPE_CHECKING:
    from earlyglow_book.chapters.cost import Case, Cost

TRAINING_STEP = "training step"
_RECOMPUTED = "recomputed"
_PRECISIONS: tuple[Precision, ...] = ("float32", "bf16")


def measured(chapter: Cost, workspace: Path) -> Computed:
    """Measure everything; takes the machine for itself."""
    plan = chapter.plan
    parts: dict[str, list[pd.DataFrame]] = {}
    with progress_bar(len(plan.cases) + 1, "measuring", "case") as progress:
        for title, case in plan.cases.items():
            for name, table in _measure(case, chapter.seed).items():
                parts.setdefault(name, []).append(table.assign(case=title))
            progress.update()
        detection = _detection(chapter, workspace)
        progress.update()
    tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    tables["products"] = measuring.product_times(plan.product_size, repetitions=5)
    tables["detection"] = detection
    return Computed(tables, device=processor_name())


def _measure(case: Case, seed: int) -> Tables:
    flow = measuring.perturbed(case.spec.build(seed), seed)
    largest = max(*case.batches, case.batch, case.few)
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(largest, *case.spec.image_shape, generator=generator) - 0.5
    batch, few = x[: case.batch], x[: case.few]
    slow = [norms_by(flow, few, "loop"), norms_by(flow, few, "vmap")]
    norms = norms_by(flow, few, "batched")
    batched = [
        norms_by(flow, x[:count], "batched", precision)
        for precision in _PRECISIONS
        for count in case.batches
    ]
    full_step, small_step = (step(TRAINING_STEP, flow, part) for part in (batch, few))
    others = other_steps(case.spec, seed, batch, few)
    recomputed = [other for other in others if other.name == _RECOMPUTED]
    forward = Contender("forward", len(few), torch.no_grad()(lambda: flow.log_prob(few)))
    timed = [*slow, *batched, full_step, *others]
    return {
        "times": measuring.interleaved_times(timed, case.repetitions),
        "memory": measuring.peak_memory([*slow, norms, small_step, *recomputed]),
        "operations": measuring.operations([forward, small_step, norms]),
        "errors": _log_norm_errors(flow, few),
    }


def _detection(chapter: Cost, workspace: Path) -> pd.DataFrame:
    """AUROC of a briefly trained flow's gradient score with the norms in either precision."""
    seed, spec, count = chapter.seed, chapter.plan.detector, chapter.plan.detector_images
    config = eg.TrainingConfig((1,), learning_rate=2e-3, warmup_epochs=1, seed=seed)
    run = train_flow(spec, config, eg.load_images("textures", "train"), workspace)
    flow = spec.build(seed)
    eg.load_weights(flow, run.checkpoints[1])
    sets = {name: eg.dequantize(part.images, seed) for name, part in _detection_sets(count).items()}
    rows = []
    for precision in _PRECISIONS:
        norms = {
            name: eg.layer_gradient_norms(flow, x, precision=precision) for name, x in sets.items()
        }
        detector = eg.LayerGradientDetector(flow).fit_from_norms(norms.pop("fit"))
        scores = {name: detector.predict_from_norms(value) for name, value in norms.items()}
        id_scores = scores.pop("textures")
        for name, outside in scores.items():
            area, interval = eg.auroc(id_scores, outside), eg.auroc_interval(id_scores, outside)
            rows.append((precision, name, area, *interval, count))
    return pd.DataFrame(rows, columns=["precision", "ood", "auroc", "low", "high", "n"])


def _detection_sets(count: int) -> dict[str, eg.ImageSet]:
    test, digits = eg.load_images("textures", "test"), eg.load_images("digits", "test")
    fit, evaluate = eg.halves(len(test))
    inside = test.take(evaluate[:count])
    return {
        "fit": test.take(fit[:count]),
        "textures": inside,
        "digits": digits.take(torch.arange(count)).matched_to(test.image_shape),
        "textures, inverted": inside.inverted(),
    }


def _log_norm_errors(flow: eg.Flow, x: Tensor) -> pd.DataFrame:
    """|log norm² in bf16 - in float32| of every image and tensor, as quantiles."""
    exact, rounded = (
        eg.layer_gradient_norms(flow, x, precision=precision, chunk_size=len(x)).values
        for precision in _PRECISIONS
    )
    present = (exact > 0).all(0) & (rounded > 0).all(0)
    logs = exact[:, present].log()
    errors = (logs - rounded[:, present].log()).abs().flatten()
    row = {f"q{q:g}": torch.quantile(errors, q).item() for q in (0.5, 0.9, 0.99, 1.0)}
    return pd.DataFrame([{**row, "spread": logs.std(0).median().item(), "images": len(x)}])


def norms_by(
    flow: eg.Flow, x: Tensor, backend: Backend, precision: Precision = "float32"
) -> Contender:
    """The norms of a batch in one pass; named by backend, precision and batch size."""
    name = backend if precision == "float32" else f"{backend} {precision}"
    norms = partial(eg.layer_gradient_norms, flow, x, backend=backend, precision=precision)
    return Contender(name, len(x), partial(norms, chunk_size=len(x)))


def step(
    name: str, flow: nn.Module, x: Tensor, log_prob: Callable[[Tensor], Tensor] | None = None
) -> Contender:
    """One forward and one backward pass of images (N, C, H, W), without the optimiser's step.

    Where ``log_prob`` is given it takes the place of the flow's own.
    """
    likelihood: Callable[[Tensor], Tensor] = log_prob or flow.log_prob  # type: ignore[assignment]

    def call() -> None:
        flow.zero_grad(set_to_none=True)
        likelihood(x).mean().neg().backward()
        flow.zero_grad(set_to_none=True)

    return Contender(name, len(x), call)


def other_steps(spec: FlowSpec, seed: int, x: Tensor, few: Tensor) -> list[Contender]:
    """Other ways to make the same step of a Glow; recomputing also on ``few``."""
    if spec.model != "glow":
        return []
    plain, recomputing, low = (measuring.perturbed(spec.build(seed), seed) for _ in range(3))
    recomputing.recompute_activations()  # type: ignore[operator]
    recomputing.train()
    rival = normflows_glow(spec)

    def in_bf16(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            return low.log_prob(images)

    return [
        step("straightforward", straightforward(plain), x),
        *(step(_RECOMPUTED, recomputing, part) for part in (x, few)),
        step("bf16 autocast", low, x, in_bf16),
        step("normflows", rival, x, lambda images: rival.log_prob(images, None)),  # type: ignore[operator]
    ]


def straightforward(flow: eg.Flow) -> eg.Flow:
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
    """The package normflows' Glow of the same sizes; its Gaussians learn means and deviations."""
    try:
        import normflows as nf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the comparison needs the package normflows; install it with "
            "pip install 'earlyglow[bench]'."
        ) from error
    (channels, height, width), levels = spec.image_shape, spec.sizes["levels"]
    bases, flows = [], []
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
        # The deepest level comes first and keeps its channels; the others split half of theirs off.
        kept, side = (at_level // 2, 2 ** (levels - i)) if i else (at_level, 2**levels)
        bases.append(nf.distributions.DiagGaussian((kept, height // side, width // side)))
    merges = [nf.flows.Merge() for _ in range(levels - 1)]
    return nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
