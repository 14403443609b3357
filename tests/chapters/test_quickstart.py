"""The first page: what it refuses, and what it says of images that are changed."""

from __future__ import annotations

import pytest

import earlyglow as eg
from earlyglow_book.chapters.quickstart import Quickstart, conversion
from earlyglow_book.parameters import ParameterError


def test_a_set_is_not_detected_against_itself() -> None:
    with pytest.raises(ParameterError, match="both 'digits', so nothing is to be detected"):
        Quickstart("digits", "digits")


@pytest.mark.parametrize(
    ("name", "like", "said"),
    [
        ("textures", "digits", "made grey and resized from 32×32 to 8×8"),
        ("digits", "textures", "given three equal channels and resized from 8×8 to 32×32"),
        ("textures", "textures", "taken as they are"),
    ],
)
def test_conversions_are_said(name: str, like: str, said: str) -> None:
    assert said in conversion(name, eg.load_images(like, limit=2))
