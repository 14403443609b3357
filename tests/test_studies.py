"""What holds for every study of a trained flow."""

from __future__ import annotations

import pytest

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.flow_runs.study import FlowStudy
from earlyglow_book.registry import experiment_classes
from tests.chapters.studies import SMOKE

STUDIES = [kind for kind in experiment_classes().values() if issubclass(kind, FlowStudy)]


def test_there_are_twelve() -> None:
    assert len(STUDIES) == 12


@pytest.mark.parametrize("kind", STUDIES)
def test_inputs_differ_from_the_sweeps_and_agree_on_trust(kind: type[FlowStudy]) -> None:
    study, sweep = kind(**SMOKE), EpochSweep(**SMOKE)
    assert study.inputs().key() != sweep.inputs().key()
    assert study.inputs_on_trust().agrees_with(study.inputs())
    assert study.inputs().versions == {**sweep.inputs().versions, kind.name: kind.version}


@pytest.mark.parametrize("kind", STUDIES)
def test_bad_values_are_refused(kind: type[FlowStudy]) -> None:
    with pytest.raises(ValueError, match="there is no data set 'digit'"):
        kind(id_dataset="digit")
    with pytest.raises(ValueError, match="profile is 'tiny', but it must be one of smoke, class"):
        kind(id_dataset="digits", profile="tiny")
