"""The book's computations cut into jobs, for an engine that spreads them over machines.

``workflow/Snakefile`` calls it as ``python -m earlyglow_book.jobs``. A flow is trained, then
measured; then every experiment on it makes its tables, and its notebook can be run. Whatever a job
does not find done it does itself, so that no result depends on how the work was cut.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from earlyglow.cache import cache_folder
from earlyglow.datasets.finding import find_fingerprint
from earlyglow.hashing import digest
from earlyglow_book import notebooks
from earlyglow_book.experiment import Experiment, result_of
from earlyglow_book.flow_runs import expense
from earlyglow_book.flow_runs.flows import MODELS, VERSIONS
from earlyglow_book.flow_runs.profiles import PROFILES
from earlyglow_book.flow_runs.protocol import NORM_VERSIONS
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.published import SEEDS, published_experiments
from earlyglow_book.registry import experiment_classes
from earlyglow_book.results import find, folder_name, working_folder

Job = dict[str, Any]
# A queue ends a job that takes longer than it said: the rates are of another machine, perhaps.
_SAFETY, _LEAST_MINUTES = 3, 10
# Of what trains no flow: a classifier, a notebook.
_USUAL = {"gpu": 0, "minutes": 120, "megabytes": 4000}


@click.group()
def main() -> None:
    """Plan and do the jobs behind stored results."""


@main.command()
@click.option("--profile", type=click.Choice([*PROFILES]), help="Epoch sweeps of this profile.")
@click.option("--id-dataset", "id_datasets", multiple=True, help="ID sets of the profile.")
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS), default=["glow"])
@click.option("--seed", "seeds", multiple=True, type=int, default=SEEDS)
def plan(
    profile: str | None, id_datasets: tuple[str, ...], models: tuple[str, ...], seeds: tuple[int]
) -> None:
    """Write every result as JSON: what is stored, and the jobs of what is left.

    The results are those of ``earlyglow sweep``, or the epoch sweeps of a profile.
    """
    experiments: Iterable[Experiment] = published_experiments()
    if profile:
        sweep: Callable[..., Experiment] = experiment_classes()["epoch_sweep"]
        experiments = [
            sweep(id_dataset=name, model=model, profile=profile, seed=seed)
            for name in id_datasets
            for model in models
            for seed in seeds
        ]
    click.echo(json.dumps(planned(experiments), indent=1))


@main.command()
@click.argument("kind", type=click.Choice(["train", "measure", "table"]))
@click.argument("name")
@click.argument("parameters")
def do(kind: str, name: str, parameters: str) -> None:
    """Do a job of KIND for the experiment NAME with PARAMETERS, a JSON object.

    Under ``torchrun`` several processes share a training or a measurement.
    """
    experiment = experiment_classes()[name](**json.loads(parameters))
    if kind == "table":
        click.echo(result_of(experiment).provenance())
        return
    run: FlowRun = experiment.run  # type: ignore[attr-defined]
    sets = run.load_sets()
    trained = run.train(cache_folder())
    if kind == "measure":
        for _ in run.measured(trained, sets, cache_folder()):
            pass


@main.command()
@click.argument("name")
@click.argument("parameters")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
def notebook(name: str, parameters: str, output: Path) -> None:
    """Run the notebook of the experiment NAME with PARAMETERS, a JSON object, into OUTPUT."""
    experiment = experiment_classes()[name](**json.loads(parameters))
    notebooks.run(name, experiment.parameters(), output)


def planned(experiments: Iterable[Experiment]) -> dict[str, Any]:
    """The jobs by kind and name, what is stored, and what cannot be computed here.

    Of a job are given: its experiment and parameters, the name of the job that comes before it
    ("" for none), whether it wants a GPU, its minutes and its megabytes. What is stored has a
    notebook too, where its chapter has one of its own.
    """
    jobs: dict[str, Any] = {
        "results": str(working_folder()),
        "cache": str(cache_folder()),
        **{kind: {} for kind in ("train", "measure", "table", "notebook")},
        "stored": [],
        "without_images": {},
    }
    for experiment in experiments:
        inputs = experiment.inputs()
        name = f"{experiment.name}/{folder_name(experiment.label(), inputs)}"
        found = find(inputs)
        missing = [split for split, fingerprint in inputs.data.items() if fingerprint is None]
        if found is None and missing:
            jobs["without_images"][name] = missing
            continue
        if found is not None:
            jobs["stored"].append(name)
        else:
            jobs["table"][name] = _with_its_flow(experiment, jobs)
        if not (experiment.shown_by or experiment.notebook):
            after = "" if found else name
            jobs["notebook"][name] = {**_described(experiment), **_USUAL, "after": after}
    _order_trainings(jobs["train"])
    return jobs


def _with_its_flow(experiment: Experiment, jobs: dict[str, dict[str, Job]]) -> Job:
    """The job of an experiment's tables; those of its flow are added to ``jobs``."""
    job = {**_described(experiment), **_USUAL}
    run = getattr(experiment, "run", None)
    if run is None:
        return job
    job |= {
        "gpu": int(run.sizes.precision == "bf16"),
        "minutes": _minutes(run),
        "megabytes": math.ceil(expense.memory(run) / 1e6),
    }
    fingerprints = {
        f"{name}/{split}": find_fingerprint(name, split) for name, split in run.splits()
    }
    described = {**run.configuration(), "images": fingerprints, "seed": run.seed}
    trained = {
        "flow": run.spec.as_dict(),
        "training": run.training.as_dict(),
        "images": [fingerprints[f"{run.id_dataset}/train"], run.train_images],
        "versions": VERSIONS,
    }
    train = f"{run.label()}-{digest(trained)[:12]}"
    measure = (
        f"{run.label()}-{digest({**described, 'versions': {**VERSIONS, **NORM_VERSIONS}})[:12]}"
    )
    # Flows that differ in their epochs alone lie in one folder: they must not train at one time.
    folder = digest({**trained, "training": {**run.training.as_dict(), "epochs": None}})
    last = max(run.training.epochs)
    jobs["train"].setdefault(train, {**job, "folder": folder, "last": last})
    jobs["measure"].setdefault(measure, {**job, "after": train})
    return {**job, "after": measure}


def _described(experiment: Experiment) -> Job:
    """What any job of an experiment has."""
    parameters = json.dumps(experiment.parameters())
    return {"experiment": experiment.name, "parameters": parameters, "after": ""}


def _order_trainings(trainings: dict[str, Job]) -> None:
    """Let those that share a folder follow each other, the shortest first."""
    latest: dict[str, str] = {}
    for name, job in sorted(trainings.items(), key=lambda item: item[1]["last"]):
        job["after"] = latest.get(job["folder"], "")
        latest[job["folder"]] = name


def _minutes(run: FlowRun) -> int:
    """A limit for any one job of a flow: training and measuring it at the measured rates."""
    device = expense.GPU if run.sizes.precision == "bf16" else expense.PROCESSOR
    known = (expense.hours(run, place) for place in (device, expense.PROCESSOR))
    expected = next(value for value in known if not math.isnan(value))
    return _LEAST_MINUTES + math.ceil(60 * _SAFETY * expected)


if __name__ == "__main__":
    main()
