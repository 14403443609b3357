"""Run the notebooks with checked parameters: strict papermill."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from papermill.exceptions import PapermillExecutionError

from earlyglow.experiments import NOTEBOOKS
from earlyglow.provenance import PACKAGE
from earlyglow.settings import digest, unknown


class NotebookError(Exception):
    """A cell of a notebook failed; the message names the notebook as far as it was executed."""


class ParameterError(ValueError):
    """A notebook or parameter that does not exist, or a value that it does not take."""


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell: ``name: type = default  # help``."""

    name: str
    type: str
    default: Any
    help: str


def notebooks_folder() -> Path:
    """Where the notebooks lie: in the installed package, or in the checkout."""
    packaged = PACKAGE / "_notebooks"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "notebooks"


def find_notebook(name: str) -> Path:
    """The notebook of that name.

    Raises:
        ParameterError: there is none; the message lists those there are.
    """
    if name not in NOTEBOOKS:
        raise ParameterError(unknown("notebook", name, NOTEBOOKS))
    return notebooks_folder() / f"{name}.ipynb"


def title_of(path: Path) -> str:
    """The notebook's first heading."""
    for cell in nbformat.read(path, as_version=4).cells:
        heading = re.search(r"^# (.+)$", cell.source, re.MULTILINE)
        if cell.cell_type == "markdown" and heading:
            return heading[1]
    return path.stem


def declared_parameters(path: Path) -> dict[str, Parameter]:
    """The parameters that a notebook declares, in order."""
    declared = papermill.inspect_notebook(str(path))
    return {
        name: Parameter(
            name,
            entry["inferred_type_name"],
            ast.literal_eval(entry["default"]),
            entry["help"],
        )
        for name, entry in declared.items()
    }


def resolve(name: str, given: Mapping[str, object]) -> dict[str, object]:
    """Parameters as the notebook takes them, converted and checked.

    Args:
        name: the notebook's name.
        given: values by parameter name: strings as typed on a command line, or typed values.

    Raises:
        ParameterError: an unknown parameter, a wrong type, or a value out of range.
    """
    declared = declared_parameters(find_notebook(name))
    for parameter in given:
        if parameter not in declared:
            raise ParameterError(unknown("parameter", parameter, declared))
    values = {parameter: _convert(declared[parameter], value) for parameter, value in given.items()}
    configure(name, values)
    return values


def configure(name: str, values: Mapping[str, Any]) -> Any:
    """The checked configuration of a notebook; ParameterError where a value is refused."""
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return NOTEBOOKS[name](**fields)
    except ValueError as error:
        raise ParameterError(str(error)) from error


def run(name: str, given: Mapping[str, object], output: Path | None = None) -> Path:
    """Run a notebook with parameters and return the executed notebook's path.

    What takes minutes is computed before the kernel starts, with a progress bar; it is kept, so
    that a run that was stopped goes on where it was.

    Args:
        name: the notebook's name.
        given: parameters, checked by :func:`resolve` before anything runs.
        output: where to write; ``runs/<name>-<hash of the parameters>.ipynb`` where omitted.

    Raises:
        ParameterError: a parameter is refused.
        NotebookError: a cell failed.
    """
    values = resolve(name, given)
    configuration = configure(name, values)
    configuration.prepare()
    if output is None:
        output = Path("runs") / f"{name}-{digest(asdict(configuration))[:8]}.ipynb"
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        execute(find_notebook(name), output, values)
    except PapermillExecutionError as error:
        raise NotebookError(
            f"a cell of {name} failed: {error.ename}: {error.evalue} (executed so far: {output})"
        ) from error
    return output


def execute(source: Path, output: Path, values: Mapping[str, object]) -> None:
    """Execute a notebook by papermill without progress bars in its cells."""
    # The kernel inherits the environment; a bar in a cell would be a thousand lines of output.
    before = os.environ.get("EARLYGLOW_PROGRESS")
    os.environ["EARLYGLOW_PROGRESS"] = "0"
    try:
        papermill.execute_notebook(
            str(source),
            str(output),
            parameters=dict(values),
            kernel_name="python3",
            progress_bar=False,
            # A kernel on this machine warns each time that its messages are not encrypted.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        _remove_timings(output)
    finally:
        if before is None:
            del os.environ["EARLYGLOW_PROGRESS"]
        else:
            os.environ["EARLYGLOW_PROGRESS"] = before


def _remove_timings(path: Path) -> None:
    """Take out what papermill notes of time and place, so that equal runs give equal files."""
    notebook = nbformat.read(path, as_version=4)
    for holder in (notebook, *notebook.cells):
        for noted in ("papermill", "execution"):
            holder.metadata.pop(noted, None)
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, path)


def _convert(parameter: Parameter, value: object) -> object:
    """A value in the declared type; a string is read as YAML, a list also as "a,b"."""
    kind, element = parameter.type, None
    if kind.startswith("list["):
        kind, element = "list", kind[5:-1]
    if isinstance(value, str) and kind != "str":
        value = _parse(value, kind)
    if kind == "list" and isinstance(value, list | tuple):
        accepted = all(_is(item, str(element)) for item in value)
        value = list(value)
    else:
        accepted = _is(value, kind)
    if not accepted:
        raise ParameterError(
            f"{parameter.name} is {value!r}, but it must be of type {parameter.type} "
            f"({parameter.help})."
        )
    return value


def _parse(text: str, kind: str) -> object:
    try:
        if kind == "float":
            # YAML takes "1e-2" for a word.
            return float(text)
        if kind == "list" and not text.lstrip().startswith("["):
            text = f"[{text}]"
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return False
    kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
    return isinstance(value, kinds.get(kind, ()))
