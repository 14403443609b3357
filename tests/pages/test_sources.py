"""The book's sources agree with the code."""

from __future__ import annotations

import importlib.util
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import earlyglow as eg
from earlyglow_book.registry import chapter_names

ROOT = Path(__file__).parents[2]


def test_the_table_of_data_sets_is_that_of_the_code() -> None:
    text = (ROOT / "book/api.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (\d+)×(\d+)×(\d+) \| (.+?) \|$", text, re.MULTILINE)
    listed = {row[0]: (row[1], tuple(map(int, row[2:5])), row[5]) for row in rows}
    assert listed == {name: (d.title, d.shape, d.terms) for name, d in eg.DATASETS.items()}


def test_everything_public_is_documented() -> None:
    text = (ROOT / "book/api.md").read_text()
    documented = set(re.findall(r"auto\w+:: earlyglow\.(\w+)$", text, re.MULTILINE)) | {"DATASETS"}
    public = {name for name in eg.__all__ if not isinstance(getattr(eg, name), ModuleType)}
    assert documented == public


def test_every_notebook_and_chapter_is_in_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    pages = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "book").rglob("*.md"))
    chapters = {page.as_posix() for page in pages}
    assert {contents["root"], *listed} == chapters | {
        f"notebooks/{name}" for name in chapter_names()
    }


@pytest.mark.parametrize("name", ["kinds_of_images", "maturity", "samples"])
def test_committed_figures_are_sharp_and_small(name: str) -> None:
    data = (ROOT / f"book/figures/{name}.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert width >= 1000
    assert height >= 100
    assert len(data) < 400_000


def test_the_readme_shows_both_commands_and_a_figure() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make book" in text
    assert "make test" in text
    (figure,) = re.findall(r"!\[.+\]\((.+)\)", text)
    assert (ROOT / figure).is_file()


def test_python_in_the_chapters_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The code blocks of the Glow and the re-run chapter, as they stand."""
    monkeypatch.chdir(tmp_path)
    for chapter in ("glow", "rerun"):
        text = (ROOT / f"book/{chapter}.md").read_text()
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert blocks
        for block in blocks:
            exec(block, {})  # noqa: S102


def test_a_failed_build_leaves_no_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sphinx warns of a page once only: what it has built with a warning must go."""
    spec = importlib.util.spec_from_file_location("build_book", ROOT / "book/build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def fail(command: list[str], check: bool) -> None:
        (tmp_path / "_build").mkdir()
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setenv("EARLYGLOW_PUBLISHED", "1")
    monkeypatch.setattr(sys, "argv", ["build.py", "--as-committed", "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match="the book was not built"):
        module.main()
    assert not (tmp_path / "_build").exists()
