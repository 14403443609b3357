"""How commands end: errors of ours in one sentence, and a word after Ctrl-C."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


def absences() -> tuple[type[Exception], ...]:
    """Why a result cannot be recomputed on this machine."""
    import earlyglow as eg
    from earlyglow_book.results import StoreError

    return eg.DatasetError, StoreError


def own_errors() -> tuple[type[Exception], ...]:
    """Errors of ours, whose messages are for the user; anything else keeps its traceback."""
    import earlyglow as eg
    from earlyglow_book.notebooks import NotebookError
    from earlyglow_book.parameters import ParameterError

    others = eg.CheckpointError, eg.NonFiniteLossError, ParameterError, NotebookError
    return *absences(), *others


def require_number(_: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse NaN, which is within every range that click knows."""
    if math.isnan(value):
        raise click.BadParameter(f"{value} is no number.", param=parameter)
    return value


@contextmanager
def refusals() -> Iterator[None]:
    """Say errors of ours in one sentence."""
    try:
        yield
    except own_errors() as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def interruption() -> Iterator[None]:
    """Say after Ctrl-C that what was done is kept."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        from earlyglow_book.notebooks import StoppedError

        if isinstance(stopped, StoppedError):
            click.echo(f"\nstopped; {stopped}.", err=True)
            sys.exit(130)
        kept = f"; {stopped}" if str(stopped) else ""
        click.echo(f"\nstopped{kept}; the same command goes on where it was.", err=True)
        sys.exit(130)
