"""Run the paper's sizes on one GPU within a given time, and store the results.

    EARLYGLOW_DATA=... EARLYGLOW_RESULTS=out python benchmarks/paper_profile.py --minutes 60

The results folder can be put beside the published ones as it is. Training runs in bf16. What is run
is planned once, in ``paper_profile.json`` of the results folder: the same command goes on where it
was stopped. Scoring is only guessed in the plan, so that the time may be overrun by as much.
Nothing is compiled: that was slower on a processor, and no GPU was at hand to try it on. Without a
GPU only ``--profile smoke`` ends in reasonable time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click
import torch

from earlyglow.cache import atomic_path
from earlyglow.datasets.loading import load_images
from earlyglow.training.fitting import choose_device
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.experiment import result_of
from earlyglow_book.published import COLOUR, GREY
from earlyglow_book.results import working_folder

_TIMED_STEPS = 10
# The rest is for the images of each set that are scored at every epoch.
_SHARE_OF_TRAINING = 0.7


@click.command()
@click.option("--minutes", default=60.0, show_default=True, help="Time for everything.")
@click.option("--images", default=1000, show_default=True, help="Scored images of each set.")
@click.option(
    "--sets", default="", help="ID sets, comma-separated; all that are published if empty."
)
@click.option("--profile", default="paper", show_default=True, help="paper, or smoke to try it.")
@click.option("--seed", default=0, show_default=True)
def main(minutes: float, images: int, sets: str, profile: str, seed: int) -> None:
    """Train and score as many epochs as fit, the small one-channel model first."""
    chosen = sets.split(",") if sets else [*GREY, *COLOUR]
    end = time.monotonic() + 60 * minutes
    wanted = list(_wanted(chosen, images, profile, seed))
    for done, sweep in enumerate(wanted):
        seconds = (end - time.monotonic()) / (len(wanted) - done)
        planned = _planned(sweep, seconds)
        if planned is None:
            click.echo(f"{sweep.label()}: no time for its first epoch")
            continue
        epochs = ", ".join(f"{epoch:g}" for epoch in planned.epochs)
        click.echo(f"{planned.label()}: epochs {epochs} in {seconds / 60:.0f} minutes")
        click.echo(f"    {result_of(planned).provenance()}")


def _planned(sweep: EpochSweep, seconds: float) -> EpochSweep | None:
    """What was planned for the sweep by an earlier call, or what fits now."""
    file = working_folder() / "paper_profile.json"
    plan = json.loads(file.read_text()) if file.exists() else {}
    key = sweep.inputs().key()
    if key not in plan:
        fitting = within(sweep, seconds)
        if fitting is None:
            return None
        plan[key] = list(fitting.epochs)
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps(plan, indent=2) + "\n")
    return EpochSweep(**{**sweep.parameters(), "epochs": tuple(plan[key])})


def within(sweep: EpochSweep, seconds: float) -> EpochSweep | None:
    """The sweep with the epochs that fit into the time on this device; None where none does."""
    length = sweep.run.training.images_per_epoch or len(load_images(sweep.id_dataset, "train"))
    affordable = _SHARE_OF_TRAINING * seconds * images_per_second(sweep) / length
    epochs = tuple(epoch for epoch in sweep.epochs if epoch <= affordable)
    if not any(epoch > 0 for epoch in epochs):
        return None
    return EpochSweep(**{**sweep.parameters(), "epochs": epochs})


def images_per_second(sweep: EpochSweep) -> float:
    """Training images in a second, from a few steps of a flow that is thrown away."""
    device = choose_device()
    flow = sweep.run.spec.build(sweep.seed).to(device)
    x = torch.rand(sweep.run.training.batch_size, *sweep.run.spec.image_shape, device=device) - 0.5
    flow(x)
    bf16 = sweep.run.training.precision == "bf16"
    optimiser = torch.optim.AdamW(flow.parameters(), lr=0.0)
    start = 0.0
    for step in range(2 * _TIMED_STEPS):
        if step == _TIMED_STEPS:
            _wait(device)
            start = time.monotonic()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = -flow.log_prob(x).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    _wait(device)
    return _TIMED_STEPS * len(x) / (time.monotonic() - start)


def _wanted(sets: list[str], images: int, profile: str, seed: int) -> Iterator[EpochSweep]:
    for name in sets:
        if name in GREY:
            yield EpochSweep(name, profile=profile, seed=seed, model="dense_glow", images=images)
    for name in sets:
        yield EpochSweep(name, profile=profile, seed=seed, images=images)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
