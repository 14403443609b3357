"""What the book's configuration becomes before it is built."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

from earlyglow_book.notebooks import find_notebook
from tests.pages.conftest import ROOT


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_book", ROOT / "book" / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_notebooks_have_launch_buttons_where_the_book_has_an_address(build: ModuleType) -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["repository"]["url"] == ""
    without = build.with_launch_buttons(config)
    assert "launch_buttons" not in without
    assert "repository" not in without
    config["repository"]["url"] = "https://github.com/somebody/earlyglow"
    with_them = build.with_launch_buttons(config)
    assert with_them["launch_buttons"] == {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    }
    assert with_them["repository"]["branch"] == "main"
    # Colab opens notebooks from GitHub alone, and the theme warns of any other address.
    config["repository"]["url"] = "https://gitlab.com/somebody/earlyglow"
    elsewhere = build.with_launch_buttons(config)
    assert list(elsewhere["launch_buttons"]) == ["binderhub_url"]


def test_colab_is_told_what_to_install(build: ModuleType, tmp_path: Path) -> None:
    """In the staged copies alone, and as an address that pip understands."""
    committed = find_notebook("quickstart")
    shutil.copy(committed, tmp_path)
    repository = {"url": "https://github.com/somebody/earlyglow", "branch": "main"}
    build.say_what_colab_installs(tmp_path, repository)
    title, note, *others = nbformat.read(tmp_path / "quickstart.ipynb", 4).cells
    before = nbformat.read(committed, 4).cells
    assert [title, *others] == before
    (wanted,) = re.findall(r'%pip install "(.+)"', note.source)
    requirement = Requirement(f"earlyglow @ {wanted}")
    assert requirement.url == "git+https://github.com/somebody/earlyglow@main"
    assert "pip install" not in committed.read_text(encoding="utf-8")
