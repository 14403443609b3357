"""Every figure of a notebook says in words what it shows."""

from __future__ import annotations

import nbformat
import pytest

from earlyglow_book.notebooks import find_notebook
from earlyglow_book.registry import chapter_names


@pytest.mark.parametrize("name", chapter_names())
def test_figures_have_alt_texts_of_their_own(name: str) -> None:
    texts = []
    for cell in nbformat.read(find_notebook(name), 4).cells:
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", ())):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 10, cell.source
            texts.append(alt)
    assert len(set(texts)) == len(texts)
