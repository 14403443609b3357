"""One thread against two, for a small and for the classroom's flow, as busy as the machine is.

Run it on an idle machine, and again beside other work: it prints the time of each relative to the
faster one, from rounds that take turns.
"""

from __future__ import annotations

import os
import tempfile
import time

import torch

import earlyglow as eg

_ROUNDS = 3
_CASES = {
    "digits, training": ("digits", {"levels": 2, "steps": 4, "hidden": 32}, "train"),
    "digits, norms": ("digits", {"levels": 2, "steps": 4, "hidden": 32}, "norms"),
    "classroom, training": ("textures", {"levels": 3, "steps": 4, "hidden": 64}, "train"),
    "classroom, norms": ("textures", {"levels": 3, "steps": 4, "hidden": 64}, "norms"),
}


def seconds(name: str, sizes: dict[str, int], what: str) -> float:
    """Time of one epoch of 512 images, or of the norms of 256."""
    images = eg.load_images(name, "train", limit=512)
    flow = eg.Glow(images.image_shape, **sizes)
    x = eg.dequantize(images.images[:256])
    flow.log_prob(x[:8])
    start = time.monotonic()
    if what == "norms":
        eg.layer_gradient_norms(flow, x)
    else:
        with tempfile.TemporaryDirectory() as folder:
            eg.train(flow, images, eg.TrainingConfig(epochs=(1,), batch_size=64), folder)
    return time.monotonic() - start


def main() -> None:
    """Print a line for each case: threads, and how many times the best time they take."""
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    for title, case in _CASES.items():
        best = {}
        for _ in range(_ROUNDS):
            for threads in ("1", "2", ""):
                os.environ["EARLYGLOW_THREADS"] = threads
                torch.set_num_threads(2)
                best[threads] = min(best.get(threads, float("inf")), seconds(*case))
        fastest = min(best["1"], best["2"])
        ratios = {name or "chosen": round(value / fastest, 2) for name, value in best.items()}
        print(f"{title}: {ratios}", flush=True)


if __name__ == "__main__":
    main()
