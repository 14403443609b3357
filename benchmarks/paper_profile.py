"""Run the paper's sizes on one GPU within a given time, and store every reading of them.

    EARLYGLOW_DATA=... EARLYGLOW_RESULTS=out python benchmarks/paper_profile.py --minutes 60

The results folder can be put beside the published ones as it is. Before a set is begun, its
training step is compiled and timed, and so is its scoring; the profile's epochs that fit, scored
one by one, are then run. What is run is planned once, in ``paper_profile.json`` of the results
folder: the same command goes on where it was stopped. Without a GPU only ``--profile smoke`` ends
in reasonable time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import torch

from earlyglow.cache import atomic_path
from earlyglow.datasets.image_set import ImageSet
from earlyglow.flows import Flow
from earlyglow.precision import float32_products
from earlyglow.training.batches import Batches
from earlyglow.training.fitting import choose_device
from earlyglow.training.updates import choose_update
from earlyglow_book.chapters.readings import Readings
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs import measuring
from earlyglow_book.published import COLOUR
from earlyglow_book.results import working_folder

_TIMED_STEPS = 20
# Seconds for each second of measuring: reading, saving and loading come on top.
_READING = 1.5
_MARGIN = 0.95


@dataclass(frozen=True)
class Speed:
    """What a sweep takes on this device.

    Attributes:
        images_per_second: of training.
        seconds_per_score: of scoring one checkpoint.
    """

    images_per_second: float
    seconds_per_score: float


@click.command()
@click.option("--minutes", default=60.0, show_default=True, help="Time for everything.")
@click.option("--sets", default=",".join(COLOUR), show_default=True, help="ID sets, with commas.")
@click.option("--train-images", default=0, help="Training images of each set; 0 for all.")
@click.option("--profile", default="paper_short", show_default=True, help="Or smoke to try it.")
@click.option("--seed", default=0, show_default=True)
def main(minutes: float, sets: str, train_images: int, profile: str, seed: int) -> None:
    """Train and score as many epochs of each set as fit."""
    end = time.monotonic() + 60 * minutes
    names = sets.split(",")
    for done, name in enumerate(names):
        # What one set leaves, the others get.
        ends = time.monotonic() + (end - time.monotonic()) / (len(names) - done)
        sweep = Readings(name, profile=profile, seed=seed, train_images=train_images)  # type: ignore[arg-type]
        planned = _planned(sweep, ends)
        if planned is None:
            click.echo(f"{sweep.label()}: no time for its first epoch")
            continue
        epochs = ", ".join(f"{epoch:g}" for epoch in planned.epochs)
        click.echo(f"{planned.label()}: epochs {epochs}")
        click.echo(f"    {result_of(planned).provenance()}")


def _planned(sweep: Readings, end: float) -> Readings | None:
    """What was planned for the sweep by an earlier call, or what fits until ``end``."""
    file = working_folder() / "paper_profile.json"
    plan = json.loads(file.read_text()) if file.exists() else {}
    key = sweep.inputs().key()
    if key not in plan:
        speed = measured_speed(sweep)
        fitting = within(sweep, end - time.monotonic(), speed)
        if fitting is None:
            return None
        plan[key] = list(fitting.epochs)
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps(plan, indent=2) + "\n")
    return Readings(**{**sweep.parameters(), "epochs": tuple(plan[key])})


def within(sweep: Readings, seconds: float, speed: Speed) -> Readings | None:
    """The sweep with its first epochs that fit into the time; None where no training does."""
    length = sweep.run.training.images_per_epoch or len(sweep.run.training_images())
    fitting: tuple[float, ...] = ()
    for count, epoch in enumerate(sweep.epochs, start=1):
        needed = epoch * length / speed.images_per_second + count * speed.seconds_per_score
        if needed <= _MARGIN * seconds:
            fitting = sweep.epochs[:count]
    if not any(epoch > 0 for epoch in fitting):
        return None
    return Readings(**{**sweep.parameters(), "epochs": fitting})


def measured_speed(sweep: Readings) -> Speed:
    """From a few steps and scores of a flow that is thrown away; compiled code is kept."""
    device = choose_device()
    flow = sweep.run.spec.build(sweep.seed).to(device).train()
    batches = Batches(sweep.run.training, sweep.run.training_images().images.to(device), 1)
    with float32_products("ieee"):
        with torch.no_grad():
            flow(batches[0])
        update, step_on = choose_update(flow, sweep.run.training, batches[0], {})
        update.set_learning_rate(0.0)
        step_on(batches[0])
        steps = _seconds(lambda: [step_on(batches[i]) for i in range(_TIMED_STEPS)], device)
        update.finish()
    images_per_second = _TIMED_STEPS * sweep.run.training.batch_size / steps
    return Speed(images_per_second, _READING * _measuring_seconds(sweep, flow, device))


def _measuring_seconds(sweep: Readings, flow: Flow, device: torch.device) -> float:
    """Seconds to measure all sets: a part for each set, and one for each image."""
    sets = sorted(sweep.sets_to_measure().values(), key=len)
    run = sweep.run

    def measure(images: ImageSet) -> object:
        return measuring.measure(flow, images, run.group_sizes, run.objectives, sweep.seed)

    few, many = sets[0], sets[-1]
    measure(few)
    short, long = (_seconds(lambda images=part: measure(images), device) for part in (few, many))
    each = max(long - short, 0.0) / max(len(many) - len(few), 1)
    return sum(short + each * (len(images) - len(few)) for images in sets)


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    start = time.monotonic()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - start


if __name__ == "__main__":
    main()
