"""The command line: run a notebook, list what there is, compute and verify stored results."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earlyglow_book.classroom.commands import student
from earlyglow_book.command_errors import (
    absences,
    interruption,
    own_errors,
    refusals,
    require_number,
)
from earlyglow_book.stored_commands import cache, compare, score

if TYPE_CHECKING:
    from earlyglow_book.results import Result

_READ_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WRITTEN_FILE = click.Path(dir_okay=False, path_type=Path)


def _ask_for_threads(_: click.Context, __: click.Parameter, count: int | None) -> None:
    if count:
        os.environ["EARLYGLOW_THREADS"] = str(count)


_THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    expose_value=False,
    callback=_ask_for_threads,
    help="Threads for all work. Else small work takes one, and a result that is verified as many "
    "as it was computed with.",
)


@click.group()
@click.version_option(package_name="earlyglow")
def main() -> None:
    """OOD detection with immature Glow models: run and check the experiments."""
    # A pipe or an old console may know fewer characters than the book's sentences have.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


for command in (score, compare, cache, student):
    main.add_command(command)


class _Run(click.Command):
    """``-p name=value`` is taken as ``-p name value``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        split: list[str] = []
        for word in args:
            after_option = bool(split) and split[-1] in ("-p", "--parameter")
            split += word.split("=", 1) if after_option and "=" in word else [word]
        return super().parse_args(ctx, split)


@main.command(cls=_Run)
@click.argument("name")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the notebook, also as NAME=VALUE; may be repeated.",
)
@click.option(
    "-f", "--file", type=_READ_FILE, help="A YAML file of parameters; -p takes precedence."
)
@click.option("-o", "--output", type=_WRITTEN_FILE, help="The executed notebook to write.")
@click.option(
    "--recompute", is_flag=True, help="Compute the tables anew, and say where they are kept."
)
@click.option("--open", "show", is_flag=True, help="Open the page that was written.")
@_THREADS
def run(
    name: str,
    parameters: tuple[tuple[str, str], ...],
    file: Path | None,
    output: Path | None,
    recompute: bool,
    show: bool,
) -> None:
    """Run notebook NAME with parameters; say what was found, and where it can be read.

    NAME is a notebook's name or its path.
    """
    from earlyglow_book import notebooks

    if not sys.stderr.isatty():
        os.environ.setdefault("EARLYGLOW_PROGRESS", "lines")
    with refusals(), interruption():
        given = {**_read_parameters(file), **dict(parameters)}
        if recompute:
            click.echo(f"computed anew: {notebooks.recompute(name, given).folder}")
        written = notebooks.run(name, given, output)
        result = notebooks.stored_result(name, given)
    import nbformat

    from earlyglow_book.run_page import findings, write_page

    executed, page = nbformat.read(written, 4), written.with_suffix(".html")
    write_page(executed, page)
    found = findings(executed)
    if found:
        click.echo(found + "\n")
    click.echo(f"executed notebook: {written}")
    click.echo(f"page: {page}")
    if result:
        click.echo(f"result: {result.name}")
    if show and not webbrowser.open(page.resolve().as_uri()):
        click.echo("no browser could be opened; open the page above yourself.", err=True)


@main.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def list_notebooks(names: tuple[str, ...]) -> None:
    """Show notebooks with their parameters, the defaults and what they mean: all, or NAME."""
    from earlyglow_book import notebooks
    from earlyglow_book.parameters import declared
    from earlyglow_book.registry import chapter_class, chapter_names

    for name in names or chapter_names():
        with refusals():
            path = notebooks.find_notebook(name)
        click.echo(f"{name}: {notebooks.notebook_title(path)}")
        for parameter in declared(chapter_class(notebooks.chapter_of(name))).values():
            click.echo(f"    {parameter.name}: {parameter.type} = {parameter.default!r}")
            allowed = f" ({parameter.allowed})" if parameter.allowed else ""
            click.echo(f"        {parameter.meaning}{allowed}")
        click.echo()


@main.command()
@click.option("--list", "only_list", is_flag=True, help="Show what is done and what is left.")
def sweep(only_list: bool) -> None:
    """Compute every result of the book that is not stored yet: hours in all.

    Stopped at any moment, it goes on where it was. EARLYGLOW_RESULTS chooses the folder. What
    cannot be computed, for lack of images say, is named at the end.
    """
    from earlyglow_book.experiment import result_of
    from earlyglow_book.published import published_experiments
    from earlyglow_book.results import find

    every = published_experiments()
    left, failed = [], []
    for experiment in every:
        what = f"{experiment.name}  {experiment.label()}"
        try:
            is_done = find(experiment.inputs()) is not None
        except own_errors() as error:
            click.echo(f"broken  {what}: {error}")
            failed.append(what)
            continue
        click.echo(f"{'done' if is_done else 'left'}  {what}")
        if not is_done:
            left.append(experiment)
    click.echo(f"{len(every) - len(left) - len(failed)} of {len(every)} results are stored")
    for experiment in [] if only_list else left:
        click.echo(f"{experiment.name} {experiment.label()}")
        try:
            with interruption():
                click.echo(f"    {result_of(experiment).provenance()}")
        except own_errors() as error:
            click.echo(f"    {error}")
            failed.append(f"{experiment.name}  {experiment.label()}")
    if failed:
        raise click.ClickException(f"{len(failed)} not computed: {'; '.join(failed)}.")


@main.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT/RESULT]...")
@click.option("--all", "everything", is_flag=True, help="Recompute all results.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="How many, those confirmed longest ago first.  [default: 1, or all that are named]",
)
@click.option(
    "--cached",
    is_flag=True,
    help="Take trained flows and norms from the cache: less sure, minutes.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    callback=require_number,
    default=1e-3,
    show_default=True,
    help="The largest relative difference that counts as equal.",
)
@click.option(
    "--record",
    is_flag=True,
    help="Note in the manifest when and by which commit an equal result was confirmed.",
)
@_THREADS
def verify(
    names: tuple[str, ...],
    everything: bool,
    limit: int | None,
    cached: bool,
    tolerance: float,
    record: bool,
) -> None:
    """Recompute stored results, and compare.

    The one that was confirmed longest ago, or those whose folders begin with what is named:
    epoch_sweep/kmnist-dense_glow, say. One that cannot be recomputed here is passed over.
    """
    from earlyglow.cache import cache_folder
    from earlyglow_book.verify import confirm, differences, recomputed, reproducible_results

    results, damaged = reproducible_results()
    for error in damaged:
        click.echo(f"passed over: {error}")
    chosen = _chosen(results, names)
    limit = limit or (len(chosen) if names or everything else 1)
    click.echo(f"{len(results)} results, {len(chosen)} to verify, {min(limit, len(chosen))} now")
    verified, different, failed = 0, [], []
    for result in chosen:
        if verified == limit:
            break
        click.echo(f"{result.name}: {result.manifest['command']}")
        try:
            with tempfile.TemporaryDirectory() as nothing:
                computed = recomputed(result, cache_folder() if cached else Path(nothing))
        except absences() as error:
            click.echo(f"passed over: {error}")
            continue
        except own_errors() as error:
            click.echo(f"could not be computed: {error}")
            failed.append(result.name)
            continue
        verified += 1
        compared = differences(result, computed.tables, tolerance)
        click.echo(compared.to_string(index=False))
        if not compared["agrees"].all():
            different.append(result.name)
        elif record:
            confirm(result, tolerance)
    parts = (("came out differently", different), ("could not be computed", failed))
    problems = [f"{what}: {', '.join(named)}" for what, named in parts if named]
    if problems:
        raise click.ClickException("; ".join(problems) + ".")
    if chosen and not verified:
        raise click.ClickException("none of them can be recomputed here.")


def _chosen(results: list[Result], names: tuple[str, ...]) -> list[Result]:
    """The results whose names begin with one of those that are given; all where none is."""
    for name in names:
        if not any(result.name.startswith(name) for result in results):
            raise click.ClickException(
                f"no stored result begins with {name!r}; the names are EXPERIMENT/RESULT, as the "
                "folders in results/ are called."
            )
    return [r for r in results if r.name.startswith(names)] if names else results


def _read_parameters(file: Path | None) -> dict[str, object]:
    """Values of a YAML file as texts, so that they are read as those of the command line."""
    if file is None:
        return {}
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        values = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise click.ClickException(f"{file} is not readable YAML: {reason}.") from error
    if not isinstance(values, dict):
        raise click.ClickException(f"{file} must hold a mapping of parameter names to values.")
    if len(node.value) > len(values):
        raise click.ClickException(f"{file} gives a parameter twice; give each once.")
    return values


if __name__ == "__main__":
    main()
