"""What each process of ``test_processes.py`` does: train a small flow, and measure norms.

The argument is the folder of the run. The second of several processes kills itself in the
thirteenth step, unless they were started again after that.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import earlyglow as eg
from earlyglow.processes import Processes, joined, spread
from earlyglow.training import fitting

IMAGES, BATCH, GROUP, CHUNK = 660, 33, 5, 20
# Checkpoints after every fifth of twenty steps.
CONFIG = eg.TrainingConfig(
    (0, 0.25, 0.5, 0.75, 1), IMAGES, batch_size=BATCH, augmentation=("shift",), warmup_epochs=0
)


def build() -> eg.Flow:
    torch.manual_seed(0)
    return eg.Glow((1, 8, 8), levels=2, steps=2, hidden=8)


def measured_images() -> Tensor:
    return eg.dequantize(eg.load_images("digits", "test", limit=203).images, seed=0).double()


def measure(flow: eg.Flow, part: Tensor) -> list[Tensor]:
    """Log-densities (N,) and norms (N // GROUP, L)."""
    norms = eg.layer_gradient_norms(flow, part, GROUP, chunk_size=CHUNK)
    return [flow.log_prob(part).detach(), norms.values]


def _kill_second_in_its_thirteenth_step(folder: Path) -> None:
    add_up, gradients = Processes.add_up, []

    def killing(self: Processes, tensors: Sequence[Tensor], weight: float) -> None:
        # Losses are added up apart, as one tensor.
        gradients.append(len(tensors) > 1)
        if self.rank == 1 and sum(gradients) == 13:
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        add_up(self, tensors, weight)

    Processes.add_up = killing  # type: ignore[method-assign]


def main() -> None:
    fitting._CHECK_STEPS = 1
    folder, flow = Path(sys.argv[1]), build()
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        _kill_second_in_its_thirteenth_step(folder)
    eg.train(flow, eg.load_images("digits", "train"), CONFIG, folder)
    found = spread(lambda part: measure(flow.double(), part), measured_images(), CHUNK)
    torch.save(found, folder / f"measured-{joined().rank}-of-{joined().count}.pt")


if __name__ == "__main__":
    main()
