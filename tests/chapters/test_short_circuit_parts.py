"""The parts are those of the same study as the chapter's, and nothing is computed twice."""

from __future__ import annotations

import pytest

from earlyglow_book.chapters.gradient_short_circuit import ShortCircuit
from earlyglow_book.chapters.short_circuit_parts import ShortCircuitParts


def test_the_defaults_are_the_published_study() -> None:
    assert ShortCircuitParts().study == ShortCircuit()
    assert ShortCircuitParts().ood_datasets == ShortCircuit().ood_datasets


def test_the_study_has_the_parameters_that_are_given() -> None:
    parts = ShortCircuitParts("digits", ["textures"], profile="smoke", seed=3)
    expected = ShortCircuit("digits", ["textures"], profile="smoke", seed=3)
    assert parts.study.inputs_on_trust() == expected.inputs_on_trust()


def test_what_the_study_refuses_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="no data set 'digit'"):
        ShortCircuitParts("digits", ["digit"])
