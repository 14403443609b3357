"""The paper's RGB Glow on one GPU: right first, then what a step and the norms take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
import torch
from torch import Tensor

import earlyglow as eg
from earlyglow.gradients import layer_gradient_norms
from earlyglow.precision import float32_products
from earlyglow.training import TrainingConfig
from earlyglow.training.updates import CapturedStep, PlainUpdate, StackedUpdate
from earlyglow_book.chapters.cost.measuring import perturbed
from earlyglow_book.results import Computed

_GPU = torch.device("cuda")
_SHAPE = (3, 32, 32)
_PAPER = {"steps": 32, "hidden": 512}
_CLASSROOM = {"steps": 4, "hidden": 64}
# Positions and channels of the paper's three levels.
_LEVELS = ((256, 12), (64, 24), (16, 48))
_NORMS: dict[str, tuple[int, dict[str, object]]] = {
    "loop": (4, {"backend": "loop"}),
    "batched, chunk 65": (130, {"chunk_size": 65}),
    "batched, chunk 256": (512, {"chunk_size": 256}),
    "batched, chunk 512": (1024, {"chunk_size": 512}),
    "batched, as called": (2048, {}),
    "batched, as called, tf32": (2048, {"precision": "tf32"}),
    "batched, as called, bf16": (2048, {"precision": "bf16"}),
}


def measured() -> Computed:
    """All measurements in one run; takes the GPU for itself.

    Raises:
        RuntimeError: torch sees no GPU.
    """
    if not torch.cuda.is_available():
        raise RuntimeError(
            "torch sees no GPU here, but this measures one; run it where "
            "torch.cuda.is_available() is true."
        )
    rows = [row for sizes in (_CLASSROOM, _PAPER) for row in correctness(sizes)]
    tables = {
        "right": pd.DataFrame([*rows, *sameness()], columns=["flow", "what", "value"]),
        "norms": pd.DataFrame(norm_times()),
        "steps": pd.DataFrame(step_times()),
    }
    return Computed(tables, device=torch.cuda.get_device_name())


def correctness(sizes: dict[str, int]) -> Iterator[tuple[str, str, float]]:
    """GPU against CPU in float64, and what a precision costs a log norm: flow, what, value."""
    torch.manual_seed(1)
    x = torch.rand(8, *_SHAPE, dtype=torch.float64) - 0.5
    flow = perturbed(_initialised(sizes, x.float())).double()
    name = f"{sizes['steps']} steps, {sizes['hidden']} channels"
    density, expected = flow.log_prob(x).detach(), layer_gradient_norms(flow, x).values
    flow = flow.to(_GPU)
    found = {
        "density, GPU against CPU, float64": (flow.log_prob(x.to(_GPU)).detach(), density),
        "norms, GPU against CPU, float64": (layer_gradient_norms(flow, x).values, expected),
        "norms, loop against batched, float64": (
            layer_gradient_norms(flow, x[:2], backend="loop").values,
            expected[:2],
        ),
    }
    for what, (value, reference) in found.items():
        yield name, what, _relative(value.cpu(), reference)
    flow, few = flow.float(), x.float().to(_GPU)
    for precision in ("float32", "tf32", "bf16"):
        values = layer_gradient_norms(flow, few, precision=precision).values.double().cpu()
        present = expected > 1e-12 * expected.max()
        errors = (values.log() - expected.log()).abs()[present]
        yield name, f"log norms, {precision}, largest error", errors.max().item()
        yield name, f"log norms, {precision}, median error", errors.median().item()


def sameness() -> Iterator[tuple[str, str, float]]:
    """Twenty float32 steps captured, against twenty of the same and of the plain update."""
    x = (torch.rand(64, *_SHAPE) - 0.5).to(_GPU)
    config, losses = TrainingConfig(), {}
    with float32_products("ieee"):
        for name in ("captured", "stacked", "plain"):
            flow = _initialised({**_CLASSROOM, "levels": 1}, x.cpu()).to(_GPU)
            update: StackedUpdate | PlainUpdate = PlainUpdate(flow, config)
            if name != "plain":
                update = StackedUpdate(flow, config, compiled=name == "captured")
            update.set_learning_rate(1e-4)
            step_on = CapturedStep(update, x) if name == "captured" else update
            losses[name] = torch.stack([step_on(x) for _ in range(20)]).double()
    for other in ("stacked", "plain"):
        what = f"20 steps in float32, captured against {other}"
        yield "1 level of 4 steps", what, _relative(losses["captured"], losses[other])


def norm_times() -> Iterator[dict[str, object]]:
    """Milliseconds an image of squared gradient norms, float32 unless named."""
    torch.manual_seed(2)
    x = (torch.rand(2048, *_SHAPE) - 0.5).to(_GPU)
    flow = perturbed(_initialised(_PAPER, x[:64].cpu())).to(_GPU)
    for name, (count, settings) in _NORMS.items():
        layer_gradient_norms(flow, x[: min(count, 600)], **settings)  # type: ignore[arg-type]
        torch.cuda.reset_peak_memory_stats()
        seconds = _seconds(partial(layer_gradient_norms, flow, x[:count], **settings), 1)  # type: ignore[arg-type]
        gib = torch.cuda.max_memory_allocated() / 2**30
        yield {"what": name, "ms_per_image": 1000 * seconds / count, "peak_gib": gib}


def step_times() -> Iterator[dict[str, object]]:
    """An optimiser step in bf16: milliseconds, images a second, TFLOP/s and kernels."""
    torch.manual_seed(3)
    config = TrainingConfig(precision="bf16")
    for batch in (64, 256):
        x = (torch.rand(batch, *_SHAPE) - 0.5).to(_GPU)
        flows = [_initialised(_PAPER, x[:64].cpu()).to(_GPU) for _ in range(2)]
        with float32_products("ieee"):
            yield _step_row("eager", x, PlainUpdate(flows[0], config), 3)
            start = time.monotonic()
            captured = CapturedStep(StackedUpdate(flows[1], config, compiled=True), x)
            seconds = time.monotonic() - start
            row = _step_row("captured", x, captured, 20)
            yield {**row, "seconds_before": seconds, **_kernels(captured, x)}
        torch.cuda.empty_cache()


def _step_row(
    what: str, x: Tensor, step_on: Callable[[Tensor], Tensor], repeats: int
) -> dict[str, object]:
    step_on(x)
    seconds = _seconds(lambda: step_on(x), repeats)
    # Products of the coupling networks, and twice as many in the backward pass.
    products = sum(
        32 * positions * (9 * channels // 2 * 512 + 512 * 512 + 9 * channels * 512)
        for positions, channels in _LEVELS
    )
    return {
        "what": what,
        "batch": len(x),
        "ms": 1000 * seconds,
        "images_per_second": len(x) / seconds,
        "tflops": 3 * 2 * products * len(x) / seconds / 1e12,
    }


def _kernels(step_on: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, object]:
    """How many kernels a step starts, and the milliseconds that they run."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        step_on(x)
        torch.cuda.synchronize()
    on_gpu = torch.autograd.DeviceType.CUDA
    events = list(profiler.events() or [])
    times = [event.device_time_total for event in events if event.device_type == on_gpu]
    return {"kernels": len(times), "ms_in_kernels": sum(times) / 1000}


def _initialised(sizes: dict[str, int], images: Tensor) -> eg.Glow:
    torch.manual_seed(0)
    flow = eg.Glow(_SHAPE, **sizes).train()
    with torch.no_grad():
        flow(images)
    return flow


def _relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs() / expected.abs().clamp_min(1e-300)).max().item()


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.monotonic()
        call()
        torch.cuda.synchronize()
        seconds.append(time.monotonic() - start)
    return sorted(seconds)[len(seconds) // 2]
