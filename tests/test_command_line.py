"""The command line answers before anything heavy is imported, and imports go one way."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import earlyglow_book
from earlyglow_book.registry import chapter_names

SOURCE = Path(earlyglow_book.__file__).parents[1]
HEAVY = ("torch", "matplotlib", "pandas", "numpy", "scipy", "papermill", "pyarrow", "IPython")


def _run(arguments: list[str]) -> tuple[str, list[str]]:
    """What the command prints, and which heavy packages it imported."""
    program = (
        "import sys\nfrom earlyglow_book.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"print('imported:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *printed, imported = (done.stderr + done.stdout).splitlines()
    return "\n".join(printed), imported.split()[1:]


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--help"], "Usage"),
        (["list"], "gradient_short_circuit: "),
        (["run", "epoch_swep"], "Did you mean 'epoch_sweep'?"),
        (["run", "epoch_sweep", "-p", "id_datset", "gtsrb"], "Did you mean 'id_dataset'?"),
        (["run", "epoch_sweep", "-p", "id_dataset", "gtsbr"], "Did you mean 'gtsrb'?"),
        (["run", "epoch_sweep", "-p", "epochs", "2,1"], "increasing"),
        (["run", "epoch_sweep", "-p", "group_size", "99"], "at most 50"),
        (["run", "gradient_short_circuit", "-p", "fraction", "2"], "above 0 and at most 1"),
        (["run", "group_size", "-p", "group_size", "3"], "one of 2, 5, 10, 25"),
        (["run", "verdict", "-p", "objective", "logprob"], "Did you mean 'log_prob'?"),
        (["run", "quickstart", "-p", "ood_dataset", "notmnits"], "Did you mean 'notmnist'?"),
    ],
)
def test_an_answer_needs_nothing_heavy(arguments: list[str], answer: str) -> None:
    printed, imported = _run(arguments)
    assert answer in printed
    assert imported == []


@pytest.mark.parametrize("name", ["epoch_sweep", "support_overlap", "verdict"])
def test_a_page_of_stored_results_needs_no_torch(name: str) -> None:
    """Torch is a large part of a page's start; only a computation needs it."""
    cells = _setup_cells(name)
    program = f"{cells}\nimport sys\nassert 'torch' not in sys.modules"
    environment = {"EARLYGLOW_PUBLISHED": "1", "PATH": ""}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def _setup_cells(name: str) -> str:
    """The parameters cell and the imports of a notebook."""
    import nbformat

    from earlyglow_book.notebooks import find_notebook

    code = [c for c in nbformat.read(find_notebook(name), 4).cells if c.cell_type == "code"]
    return "\n".join(cell.source for cell in code[:2])


def imports(file: Path) -> Iterator[str]:
    """The modules of ours that a file imports while it is imported, or anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("earlyglow"):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_chapters_stand_above_everything_else() -> None:
    """No module below the chapters knows a chapter, and no chapter knows who lists them."""
    listing = {"registry.py", "published.py"}
    for file in (SOURCE / "earlyglow_book").rglob("*.py"):
        inside = "chapters" in file.parts
        found = set(imports(file))
        if not inside and file.name not in listing:
            assert not any(name.startswith("earlyglow_book.chapters") for name in found), file
        if inside:
            above = {"registry", "published", "verify", "cli", "notebooks"}
            assert not any(name == f"earlyglow_book.{top}" for name in found for top in above), file


def test_tables_and_figures_know_no_flow_runs() -> None:
    for folder in ("tables", "figures"):
        for file in (SOURCE / "earlyglow_book" / folder).rglob("*.py"):
            assert not any("flow_runs" in name for name in imports(file)), file


def test_no_file_is_too_long() -> None:
    for file in SOURCE.rglob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 350, file


def test_every_chapter_has_a_notebook_and_a_test() -> None:
    root = SOURCE.parent
    for name in chapter_names():
        assert (root / "notebooks" / f"{name}.ipynb").is_file()
        tests = [root / "tests" / "chapters" / f"test_{name}.py", root / "tests/test_notebooks.py"]
        assert tests[0].is_file() or name == "quickstart"


def test_a_pipe_with_few_characters_gets_question_marks() -> None:
    """A console of old knows no "−"; it is no reason to fail after the work is done."""
    code = (
        "import click, earlyglow_book.cli as cli\n"
        "@cli.main.command()\n"
        "def say():\n"
        "    click.echo('from \\u22120.1')\n"
        "cli.main(['say'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert (run.returncode, run.stdout) == (0, "from ?0.1\n"), run.stderr
