"""Measure on one GPU what the chapter "What it costs" says of one: right first, then fast.

    python benchmarks/gpu.py OUT.json

Every row is written as soon as it is known. Times are of the paper's RGB Glow in one run on one
card; nothing here is needed to use the library.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

import earlyglow as eg
from earlyglow.gradients import layer_gradient_norms
from earlyglow.precision import float32_products
from earlyglow.training import TrainingConfig
from earlyglow.training.updates import CapturedStep, PlainUpdate, StackedUpdate, Update

DEVICE = torch.device("cuda")
_ROWS: list[dict[str, object]] = []


def main(target: Path) -> None:
    for part in (correctness, norms, steps):
        try:
            for row in part():
                _ROWS.append(row)
                print(json.dumps(row), flush=True)
                target.write_text(json.dumps({"device": device(), "rows": _ROWS}, indent=1) + "\n")
        except RuntimeError:
            # What the other parts measure is not lost.
            traceback.print_exc()


def device() -> dict[str, str]:
    return {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}


def trained_like(flow: eg.Flow, seed: int = 0) -> eg.Flow:
    """A flow whose last layers are not zero any more, as after some training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    return flow.eval()


def initialised(sizes: dict[str, int], images: Tensor) -> eg.Glow:
    torch.manual_seed(0)
    flow = eg.Glow((3, 32, 32), **sizes).train()
    with torch.no_grad():
        flow(images)
    return flow


def correctness() -> Iterator[dict[str, object]]:
    """Against the CPU in float64, and what each precision costs in a log norm."""
    torch.manual_seed(1)
    x = torch.rand(8, 3, 32, 32, dtype=torch.float64) - 0.5
    for sizes in ({"steps": 4, "hidden": 64}, {"steps": 32, "hidden": 512}):
        flow = trained_like(initialised(sizes, x.float())).double()
        log_prob = flow.log_prob(x).detach()
        expected = layer_gradient_norms(flow, x).values
        flow = flow.to(DEVICE)
        found = layer_gradient_norms(flow, x).values.cpu()
        on_gpu = flow.log_prob(x.to(DEVICE)).detach().cpu()
        yield {
            "part": "right",
            **sizes,
            "density, GPU against CPU, float64": relative(on_gpu, log_prob),
            "norms, GPU against CPU, float64": relative(found, expected),
            "norms, loop against batched on the GPU, float64": relative(
                layer_gradient_norms(flow, x[:2], backend="loop").values.cpu(), expected[:2]
            ),
        }
        flow = flow.float()
        y = x.float().to(DEVICE)
        large = expected > 1e-12 * expected.max()
        for precision in ("float32", "tf32", "bf16"):
            values = layer_gradient_norms(flow, y, precision=precision).values.double().cpu()
            # A norm that is zero for everyone has no log.
            error = (values.clamp_min(1e-38).log() - expected.clamp_min(1e-38).log()).abs()
            yield {
                "part": "right",
                **sizes,
                "precision": precision,
                "largest error of a log norm": error[large].max().item(),
                "median": error.median().item(),
                "of tiny ones too": error.max().item(),
            }
        back = flow.inverse(flow(y)[0])
        yield {"part": "right", **sizes, "inverse": (back - y).abs().max().item()}


def relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs() / expected.abs().clamp_min(1e-300)).max().item()


def norms() -> Iterator[dict[str, object]]:
    """Milliseconds an image of squared gradient norms, paper RGB Glow, float32 unless named."""
    torch.manual_seed(2)
    x = (torch.rand(2048, 3, 32, 32) - 0.5).to(DEVICE)
    flow = trained_like(initialised({"steps": 32, "hidden": 512}, x[:64].cpu())).to(DEVICE)
    calls: dict[str, tuple[int, dict[str, object]]] = {
        "loop": (4, {"backend": "loop"}),
        "batched, chunk 65": (130, {"chunk_size": 65}),
        "batched, chunk 256": (512, {"chunk_size": 256}),
        "batched, chunk 512": (1024, {"chunk_size": 512}),
        "batched, as called": (2048, {}),
        "batched, as called, tf32": (2048, {"precision": "tf32"}),
        "batched, as called, bf16": (2048, {"precision": "bf16"}),
    }
    for name, (count, settings) in calls.items():
        layer_gradient_norms(flow, x[: min(count, 600)], **settings)  # type: ignore[arg-type]
        torch.cuda.reset_peak_memory_stats()
        seconds = timed(lambda c=count, s=settings: layer_gradient_norms(flow, x[:c], **s), 1)
        yield {
            "part": "norms",
            "what": name,
            "ms an image": 1000 * seconds / count,
            "peak GiB": torch.cuda.max_memory_allocated() / 2**30,
        }


def steps() -> Iterator[dict[str, object]]:
    """Milliseconds an optimiser step of the paper's RGB Glow."""
    torch.manual_seed(3)
    for batch_size in (64, 256):
        x = (torch.rand(batch_size, 3, 32, 32) - 0.5).to(DEVICE)
        config = TrainingConfig(precision="bf16")
        with float32_products("ieee"):
            yield step_row("eager", x, PlainUpdate(fresh(x), config), 3)
            update = StackedUpdate(fresh(x), config, compiled=True)
            start = time.monotonic()
            captured = CapturedStep(update, x)
            seconds = time.monotonic() - start
            row = step_row("captured", x, captured, 20)
            yield {**row, "seconds before the first": seconds, **kernels(captured, x)}
        del update, captured
        torch.cuda.empty_cache()
    yield sameness()


def fresh(x: Tensor) -> eg.Glow:
    return initialised({"steps": 32, "hidden": 512}, x[:64].cpu()).to(DEVICE).train()


def step_row(
    what: str, x: Tensor, step_on: Callable[[Tensor], Tensor], repeats: int
) -> dict[str, object]:
    step_on(x)
    seconds = timed(lambda: step_on(x), repeats)
    return {
        "part": "step",
        "what": f"{what}, bf16",
        "batch": len(x),
        "ms a step": 1000 * seconds,
        "images/s": len(x) / seconds,
        "TFLOP/s": 3 * 2 * _MULTIPLICATIONS * len(x) / seconds / 1e12,
    }


# Of one image in the coupling networks: positions × (9·C/2·h + h·h + 9·C·h) in 32 steps a level.
_MULTIPLICATIONS = sum(
    32 * positions * (9 * channels // 2 * 512 + 512 * 512 + 9 * channels * 512)
    for positions, channels in ((256, 12), (64, 24), (16, 48))
)


def kernels(step_on: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, object]:
    """How many kernels a step starts, and how long they run."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        step_on(x)
        torch.cuda.synchronize()
    events = [e for e in profiler.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    names: dict[str, list[float]] = {}
    for event in events:
        names.setdefault(event.name[:60], []).append(event.device_time_total / 1000)
    top = sorted(names.items(), key=lambda item: -sum(item[1]))[:25]
    return {
        "kernels": len(events),
        "ms in kernels": sum(sum(times) for times in names.values()),
        "most": [[name, len(times), round(sum(times), 3)] for name, times in top],
    }


def sameness() -> dict[str, object]:
    """Twenty float32 steps captured, against twenty of the same and of the plain update."""
    x = (torch.rand(64, 3, 32, 32) - 0.5).to(DEVICE)
    config = TrainingConfig()
    found = {}
    with float32_products("ieee"):
        for name in ("captured", "stacked", "plain"):
            flow = initialised({"levels": 1, "steps": 4, "hidden": 64}, x.cpu()).to(DEVICE).train()
            update: Update = PlainUpdate(flow, config)
            if name != "plain":
                update = StackedUpdate(flow, config, compiled=name == "captured")
            update.set_learning_rate(1e-4)
            step_on = CapturedStep(update, x) if name == "captured" else update
            found[name] = torch.stack([step_on(x) for _ in range(20)]).double().cpu()
    return {
        "part": "same",
        "what": "20 steps, float32",
        "captured against stacked": relative(found["captured"], found["stacked"]),
        "captured against plain": relative(found["captured"], found["plain"]),
    }


def timed(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.monotonic()
        call()
        torch.cuda.synchronize()
        seconds.append(time.monotonic() - start)
    return sorted(seconds)[len(seconds) // 2]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
