"""Commands on what is stored: score pictures with it, compare two results, show the cache."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from earlyglow_book.command_errors import interruption, refusals, require_number
from earlyglow_book.flow_runs.detectors import DetectorName

if TYPE_CHECKING:
    from earlyglow_book.results import Result

_WRITTEN_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--detector",
    type=click.Choice(get_args(DetectorName)),
    help="How the gradient norms are read.  [as in the run]",
)
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    callback=require_number,
    default=0.05,
    show_default=True,
    help="The share of ID pictures that may be called unusual.",
)
@click.option("-o", "--output", type=_WRITTEN_FILE, help="The table to write.  [scores.csv]")
def score(
    run: str,
    pictures: tuple[Path, ...],
    detector: DetectorName | None,
    false_alarms: float,
    output: Path | None,
) -> None:
    """Score PICTURES, files or folders, with the flow of a stored result.

    RUN is a result's name, such as epoch_sweep/fashion_mnist-glow-classroom-seed0, or how it
    begins. Beside the table lies a sheet of the most and the least unusual pictures.
    """
    table = output or Path("scores.csv")
    sheet = table.with_suffix(".png")
    _require_places(table, sheet)
    with refusals():
        result = _named(run)
    # Takes seconds, which a misspelt name need not wait for.
    from earlyglow_book import scoring

    with refusals(), interruption():
        files = scoring.picture_files(pictures)
        scored = scoring.score_pictures(result, files, false_alarms, detector)
    scored.table.to_csv(table, index=False)
    scoring.write_contact_sheet(scored, sheet)
    click.echo(scored.table.head(20).to_string(index=False))
    count = int(scored.table["unusual"].sum())
    click.echo(f"{count} of {len(files)} are unusual; {false_alarms:.0%} of ID pictures would be")
    click.echo(f"table: {table}\nsheet: {sheet}")


@click.command()
@click.argument("first", metavar="RESULT")
@click.argument("second", metavar="RESULT")
def compare(first: str, second: str) -> None:
    """Show what differs in the parameters and in the tables of two stored results."""
    from earlyglow_book import comparing

    with refusals():
        one, two = _named(first), _named(second)
    click.echo(f"first:  {one.name}\nsecond: {two.name}\n")
    parameters = comparing.differing_parameters(one, two)
    click.echo("same parameters" if parameters.empty else parameters.to_string(index=False))
    for name, table in comparing.differing_tables(one, two):
        click.echo(f"\n{name}:\n{table.to_string(index=False)}")


@click.command()
@click.option("--clear", is_flag=True, help="Delete all of it, after a question.")
@click.option("--yes", is_flag=True, help="Ask no question.")
def cache(clear: bool, yes: bool) -> None:
    """Show what is kept on this machine, and how large it is."""
    import shutil

    from earlyglow.cache import cache_folder

    folder = cache_folder()
    parts = sorted(path for path in folder.glob("*") if path.is_dir()) if folder.is_dir() else []
    for part in parts:
        files = [path for path in part.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 2**20
        click.echo(f"{part.name}: {len(files)} files, {size:,.1f} MiB")
    click.echo(f"{folder}" if parts else f"nothing is kept in {folder}")
    if clear and parts and (yes or click.confirm("delete all of it?")):
        for part in parts:
            shutil.rmtree(part)
        click.echo("deleted")


def _require_places(table: Path, sheet: Path) -> None:
    """Refuse an output that cannot be written, before minutes are spent on it."""
    if table == sheet:
        raise click.ClickException(
            f"the table is {str(table)!r}, but a name with .png is its sheet's; give one with .csv."
        )
    if table.suffix.lower() in (".xlsx", ".xls", ".ods", ".parquet", ".json"):
        raise click.ClickException(
            f"the table is {str(table)!r}, but it is written as CSV; give a name with .csv."
        )
    for path in (table, sheet):
        was_there = path.exists()
        try:
            with path.open("ab"):
                pass
        except OSError as error:
            raise click.ClickException(
                f"{path} cannot be written ({error.strerror}); choose another place by -o."
            ) from error
        if not was_there:
            path.unlink()


def _named(name: str) -> Result:
    """The only stored result whose name begins so, or whose folder it is."""
    from earlyglow_book.results import load, result_folders

    if (Path(name) / "manifest.json").is_file():
        return load(Path(name))
    folders = {f"{folder.parent.name}/{folder.name}": folder for folder in result_folders()}
    found = [name] if name in folders else [known for known in folders if known.startswith(name)]
    if len(found) == 1:
        return load(folders[found[0]])
    count, advice = len(found), "write more of it, such as"
    if not found:
        # Compared as far as it was written: nobody types the digest at the end.
        by_beginning = {known[: len(name)]: known for known in folders}
        close = difflib.get_close_matches(name, by_beginning, n=3)
        found = [by_beginning[beginning] for beginning in close] or list(folders)
        advice = "names are such as"
    raise click.ClickException(
        f"{count} stored results begin with {name!r}, but one must; {advice} "
        f"{', '.join(found[:3])}."
    )
