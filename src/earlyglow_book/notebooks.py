"""Run the notebooks with checked parameters: strict papermill."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from earlyglow.hashing import digest
from earlyglow_book.experiment import Experiment
from earlyglow_book.experiment import recompute as recomputed
from earlyglow_book.machine import leave_busy_processors
from earlyglow_book.parameters import ParameterError, from_texts
from earlyglow_book.places import shipped
from earlyglow_book.registry import chapter_class
from earlyglow_book.results import Result, find
from earlyglow_book.watching import watched

if TYPE_CHECKING:
    from traitlets.config import Config

_KERNEL = "earlyglow-own"
# In bytes, without the number that ends it; macOS has the shortest names of sockets.
_LONGEST_SOCKET_NAME = 100


class NotebookError(Exception):
    """A cell of a notebook failed; the message names the notebook as far as it was executed."""


class StoppedError(KeyboardInterrupt):
    """Ctrl-C while cells run, which keep nothing; the message says what is kept."""


def chapter_of(name: str) -> str:
    """The chapter that a name or a path such as "notebooks/quickstart.ipynb" means."""
    return Path(name).stem if name.endswith(".ipynb") else name


def find_notebook(name: str) -> Path:
    """The notebook of that name or path.

    Raises:
        ParameterError: there is none, or a file of that path is another than the book's.
    """
    chapter = chapter_of(name)
    chapter_class(chapter)
    found = shipped("notebooks") / f"{chapter}.ipynb"
    if name.endswith(".ipynb") and Path(name).is_file() and _cells(Path(name)) != _cells(found):
        raise ParameterError(
            f"{name} is not the book's {chapter}, whose cells are others; papermill {name} "
            f"OUTPUT.ipynb runs it, {chapter} names the book's."
        )
    return found


def _cells(path: Path) -> list[str]:
    """The sources of a notebook's cells; none where it is no notebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError):
        return []


def notebook_title(path: Path) -> str:
    """The notebook's first heading."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        heading = re.search(r"^# (.+)$", "".join(cell["source"]), re.MULTILINE)
        if cell["cell_type"] == "markdown" and heading:
            return heading[1]
    return path.stem


def run(name: str, given: Mapping[str, object], output: Path | None = None) -> Path:
    """Run a notebook with parameters and return the executed notebook's path.

    What takes minutes is computed before the kernel starts, with a progress bar; it is kept, so
    that a run that was stopped goes on where it was.

    Args:
        name: the notebook's name.
        given: values by parameter name, typed or texts; all are checked before anything runs.
        output: where to write; ``runs/<name>-<hash of the parameters>.ipynb`` where omitted.

    Raises:
        ParameterError: there is no such notebook, or a parameter is refused.
        NotebookError: a cell failed.
    """
    source, kind = find_notebook(name), chapter_class(chapter_of(name))
    values = from_texts(kind, given)
    chapter = kind(**values)
    if output is None:
        output = Path("runs") / f"{chapter.name}-{digest(chapter.parameters())[:8]}.ipynb"
    _require_writable(output)
    _leave_busy_processors()
    chapter.prepare()
    # Imported late, and known late: the command line answers before papermill is there.
    from papermill.exceptions import PapermillExecutionError

    try:
        execute(source, output, values)
    except KeyboardInterrupt:
        raise StoppedError(
            f"what was computed before the cells of {chapter.name} began is kept; they begin anew"
        ) from None
    except PapermillExecutionError as error:
        raise NotebookError(
            f"a cell of {name} failed: {error.ename}: {error.evalue} (executed so far: {output})"
        ) from error
    return output


def stored_result(name: str, given: Mapping[str, object]) -> Result | None:
    """The stored result that a notebook with these parameters shows, or None."""
    kind = chapter_class(chapter_of(name))
    chapter = kind(**from_texts(kind, given))
    return find(chapter.inputs()) if isinstance(chapter, Experiment) else None


def _require_writable(output: Path) -> None:
    """Refuse a path that no notebook can be written to, before anything runs."""
    if not output.name.endswith(".ipynb"):
        raise NotebookError(
            f"the output is {str(output)!r}, but it must be a path ending in .ipynb."
        )
    try:
        was_there = output.exists()
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab"):
            pass
        if not was_there:
            output.unlink()
    except OSError as error:
        raise NotebookError(
            f"{output} cannot be written ({error.strerror}: {error.filename}); choose another "
            "place by -o."
        ) from error


def recompute(name: str, given: Mapping[str, object]) -> Result:
    """Compute a notebook's tables from the images again, whatever is stored, and keep them.

    A published result stays as it is; the new one lies in the working folder beside it.

    Raises:
        ParameterError: there is no such notebook, a parameter is refused, or the notebook stores
            nothing of its own.
    """
    kind = chapter_class(chapter_of(name))
    chapter = kind(**from_texts(kind, given))
    if not isinstance(chapter, Experiment):
        raise ParameterError(
            f"{name} stores no result of its own, so there is nothing to recompute; run it without "
            "--recompute."
        )
    _leave_busy_processors()
    return recomputed(chapter)


def _leave_busy_processors() -> None:
    decided = leave_busy_processors()
    if decided:
        print(decided, file=sys.stderr)


def execute(source: Path, output: Path, values: Mapping[str, object]) -> None:
    """Execute a notebook by papermill without progress bars in its cells; say which one runs.

    The kernel is the interpreter that runs this, whatever kernels are installed on the machine.
    """
    import papermill

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # Papermill fills braces of a path with parameters.
        executed, progress = Path(folder) / "executed.ipynb", Path(folder) / "progress.txt"
        stack.enter_context(watched(executed, progress))
        # A bar in a cell would be a thousand lines of output.
        stack.enter_context(_environment("EARLYGLOW_PROGRESS", f"file:{progress}"))
        stack.enter_context(_own_kernel(Path(folder)))
        try:
            papermill.execute_notebook(
                str(source),
                str(executed),
                parameters=dict(values),
                kernel_name=_KERNEL,
                progress_bar=False,
                # A kernel warns that its messages are not encrypted, and of its own shutdown.
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                config=kernel_sockets(Path(folder)),
                # Whatever is to be kept is written by then; a kernel takes a second to wind up.
                shutdown_kernel="immediate",
            )
        finally:
            if executed.is_file():
                _remove_timings(executed)
                shutil.copyfile(executed, output)


def kernel_sockets(folder: Path) -> Config:
    """Let a kernel listen on files of an empty folder, where the system can.

    A free port that is chosen for one kernel may be taken by another before it is opened: of many
    kernels that start at once, one dies now and then.
    """
    from traitlets.config import Config

    name = str(folder / "kernel")
    if os.name != "posix" or len(os.fsencode(name)) > _LONGEST_SOCKET_NAME:
        return Config()
    return Config(KernelManager={"transport": "ipc", "ip": name})


@contextmanager
def _own_kernel(folder: Path) -> Iterator[None]:
    """A kernel specification of this interpreter, where Jupyter looks first."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    path = folder / "kernels" / _KERNEL / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(spec))
    places = filter(None, (str(folder), os.environ.get("JUPYTER_PATH")))
    with _environment("JUPYTER_PATH", os.pathsep.join(places)):
        yield


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """A variable that the kernel inherits."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _remove_timings(path: Path) -> None:
    """Take out what papermill notes of time and place, so that equal runs give equal files."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for holder in (notebook, *notebook.cells):
        for noted in ("papermill", "execution"):
            holder.metadata.pop(noted, None)
    notebook.metadata.pop("language_info", None)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    nbformat.write(notebook, path)
