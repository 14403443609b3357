"""What the book's configuration becomes before it is built."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
import yaml

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
    assert with_them["launch_buttons"] == {"binderhub_url": "https://mybinder.org"}
    assert with_them["repository"]["branch"] == "main"
