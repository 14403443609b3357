"""The gradient norms' backends side by side, interleaved in one run, on the classroom Glow."""

from __future__ import annotations

import statistics
import time

import torch

from earlyglow.experiments.profiles import find_profile
from earlyglow.experiments.trained_flows import flow_spec
from earlyglow.flows import Flow
from earlyglow.gradients import layer_gradient_norms
from earlyglow.provenance import device_name, software

REPETITIONS = 5
IMAGES = {"loop": 8, "vmap": 8, "batched": 64}


def classroom_glow() -> Flow:
    """The classroom's colour Glow, moved away from its zero-initialised start."""
    flow = flow_spec("glow", "cifar10", find_profile("classroom")).build(seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in flow.parameters():
        parameter.data += 0.01 * torch.randn(parameter.shape, generator=generator)
    return flow.eval()


def milliseconds_per_image(flow: Flow, backend: str, images: int) -> float:
    x = torch.rand(images, *flow.image_shape) - 0.5
    x = x.contiguous(memory_format=torch.channels_last)
    start = time.perf_counter()
    layer_gradient_norms(flow, x, backend=backend)  # type: ignore[arg-type]
    return 1e3 * (time.perf_counter() - start) / images


def main() -> None:
    flow = classroom_glow()
    times: dict[str, list[float]] = {backend: [] for backend in IMAGES}
    for _ in range(REPETITIONS + 1):
        for backend, images in IMAGES.items():
            times[backend].append(milliseconds_per_image(flow, backend, images))
    # The first round warms up.
    medians = {backend: statistics.median(values[1:]) for backend, values in times.items()}
    print(f"{device_name()}, torch {software()['torch']}, {REPETITIONS} interleaved repetitions")
    for backend, median in medians.items():
        spread = max(times[backend][1:]) - min(times[backend][1:])
        print(
            f"{backend:<8} {median:8.1f} ms per image (spread {spread:.1f}), "
            f"{medians['loop'] / median:5.2f}x of loop"
        )


if __name__ == "__main__":
    main()
