"""Commands for a class: write its notebooks."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def student(folder: Path) -> None:
    """Write the class's notebooks into FOLDER: with blanks for students, solved for instructors.

    Files of the same names are replaced, so give students copies.
    """
    from earlyglow_book.classroom.student import write_notebooks

    for path in write_notebooks(folder):
        click.echo(path)
