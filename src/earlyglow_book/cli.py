"""The command line: run a notebook, list what there is, verify stored results."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from earlyglow.store import Result


@click.group()
@click.version_option(package_name="earlyglow")
def main() -> None:
    """OOD detection with immature Glow models: run and check the experiments."""


@main.command()
@click.argument("name")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the notebook; may be repeated.",
)
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML file of parameters; -p takes precedence.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The executed notebook to write.",
)
def run(
    name: str, parameters: tuple[tuple[str, str], ...], file: Path | None, output: Path | None
) -> None:
    """Run notebook NAME with parameters, and say where the executed notebook is."""
    from earlyglow import notebooks

    try:
        given = {**_read_parameters(file), **dict(parameters)}
        written = notebooks.run(name, given, output)
    except notebooks.NotebookError as error:
        raise click.ClickException(str(error)) from error
    except _refusals() as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on where it was.", err=True)
        sys.exit(130)
    click.echo(f"executed notebook: {written}")


@main.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def list_notebooks(names: tuple[str, ...]) -> None:
    """Show notebooks with their parameters, the defaults and what they mean: all, or NAME."""
    from earlyglow import notebooks
    from earlyglow.experiments import NOTEBOOKS

    for name in names or tuple(NOTEBOOKS):
        try:
            path = notebooks.find_notebook(name)
        except notebooks.ParameterError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{name}: {notebooks.title_of(path)}")
        for parameter in notebooks.declared_parameters(path).values():
            declaration = f"{parameter.name}: {parameter.type} = {parameter.default!r}"
            click.echo(f"    {declaration}\n        {parameter.help}")
        click.echo()


@main.command()
@click.option("--list", "only_list", is_flag=True, help="Show what is done and what is left.")
def sweep(only_list: bool) -> None:
    """Compute every result of the book that is not stored yet: hours in all.

    Stopped at any moment, it goes on where it was. EARLYGLOW_RESULTS chooses the folder. What
    cannot be computed, for lack of images say, is named at the end.
    """
    from earlyglow.experiments import published_experiments, result_of
    from earlyglow.store import find

    every = published_experiments()
    left, failed = [], []
    for experiment in every:
        what = f"{experiment.name}  {experiment.label()}"
        try:
            is_done = find(experiment.inputs()) is not None
        except _refusals() as error:
            click.echo(f"broken  {what}: {error}")
            failed.append(what)
            continue
        left += [] if is_done else [experiment]
        click.echo(f"{'done' if is_done else 'left'}  {what}")
    click.echo(f"{len(every) - len(left) - len(failed)} of {len(every)} results are stored")
    for experiment in [] if only_list else left:
        click.echo(f"{experiment.name} {experiment.label()}")
        try:
            click.echo(f"    {result_of(experiment).provenance()}")
        except _refusals() as error:
            click.echo(f"    {error}")
            failed.append(f"{experiment.name}  {experiment.label()}")
        except KeyboardInterrupt:
            click.echo("\nstopped; the same command goes on where it was.", err=True)
            sys.exit(130)
    if failed:
        raise click.ClickException(f"{len(failed)} not computed: {'; '.join(failed)}.")


@main.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT/RESULT]...")
@click.option(
    "--all", "everything", is_flag=True, help="Recompute all results, not only the moved ones."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="How many, the cheapest first.  [default: 1, or all that are named]",
)
@click.option(
    "--cached",
    is_flag=True,
    help="Take trained flows and norms from the cache: less sure, minutes.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-3,
    show_default=True,
    help="The largest relative difference that counts as equal.",
)
def verify(
    names: tuple[str, ...], everything: bool, limit: int | None, cached: bool, tolerance: float
) -> None:
    """Recompute stored results, and compare.

    The cheapest ones whose source has changed, or those whose folders begin with what is named:
    epoch_sweep/kmnist-dense_glow, say. A result that comes out the same is marked as computed by
    the present source; what was taken from the cache keeps the source of then. One that cannot be
    recomputed here is passed over.
    """
    from earlyglow.cache import cache_folder
    from earlyglow.datasets import DatasetError
    from earlyglow.experiments import differences, present_path, recomputed
    from earlyglow.store import StoreError, record_source

    results = _reproducible_results()
    if names:
        chosen = [r for r in results if r.name.startswith(names)]
        _refuse_names_of_nothing(names, [r.name for r in results])
    else:
        chosen = [r for r in results if everything or r.moved_sources()]
    limit = limit or (len(chosen) if names else 1)
    click.echo(f"{len(results)} results, {len(chosen)} to verify, {min(limit, len(chosen))} now")
    verified, different, failed = 0, [], []
    for result in chosen:
        if verified == limit:
            break
        click.echo(f"{result.name}: {result.manifest['command']}")
        try:
            with tempfile.TemporaryDirectory() as nothing:
                computed = recomputed(result, cache_folder() if cached else Path(nothing))
        except (StoreError, DatasetError) as error:
            click.echo(f"passed over: {error}")
            continue
        except _refusals() as error:
            click.echo(f"could not be computed: {error}")
            failed.append(result.name)
            continue
        verified += 1
        compared = differences(result, computed.tables, tolerance)
        click.echo(compared.to_string(index=False))
        if compared["agrees"].all():
            record_source(result, computed.source, present_path(result))
        else:
            different.append(result.name)
    if different or failed:
        parts = (("came out differently", different), ("could not be computed", failed))
        raise click.ClickException(
            "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names) + "."
        )
    if chosen and not verified:
        raise click.ClickException("none of them can be recomputed here.")


def _reproducible_results() -> list[Result]:
    """Every stored result that should come out the same again, the cheapest first."""
    from earlyglow.experiments import cheapest_first, is_reproducible
    from earlyglow.store import load, result_folders

    results = []
    for folder in result_folders():
        try:
            results.append(load(folder))
        except _refusals() as error:
            click.echo(f"passed over: {error}")
    return cheapest_first(filter(is_reproducible, results))


def _refuse_names_of_nothing(names: tuple[str, ...], stored: list[str]) -> None:
    for name in names:
        if not any(found.startswith(name) for found in stored):
            raise click.ClickException(
                f"no stored result begins with {name!r}; the names are EXPERIMENT/RESULT, as the "
                "folders in results/ are called."
            )


def _refusals() -> tuple[type[Exception], ...]:
    """What the library raises for a reason that its message tells."""
    from earlyglow.datasets import DatasetError
    from earlyglow.store import StoreError
    from earlyglow.training import CheckpointError, NonFiniteLossError

    return DatasetError, StoreError, CheckpointError, NonFiniteLossError, ValueError


def _read_parameters(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise click.ClickException(f"{file} is not readable YAML: {error}") from error
    if not isinstance(values, dict):
        raise click.ClickException(f"{file} must hold a mapping of parameter names to values.")
    return values


if __name__ == "__main__":
    main()
