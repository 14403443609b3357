"""Published results are found: their keys follow from parameters, typed or stored."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from earlyglow_book.chapters.cost import Cost, GpuCost, Growth, PeersCost
from earlyglow_book.chapters.paper_size import PaperSize
from earlyglow_book.experiment import Experiment
from earlyglow_book.parameters import declared, from_texts
from earlyglow_book.published import published_experiments
from earlyglow_book.registry import experiment_classes
from earlyglow_book.results import Inputs, committed_folder

KINDS = experiment_classes()
MANIFESTS = sorted(committed_folder().glob("*/*/manifest.json"))


def key_with_data(experiment: Experiment, data: dict[str, str]) -> str:
    """The key that the experiment has where the images are at hand."""
    inputs = experiment.inputs_on_trust()
    assert set(inputs.data) == set(data)
    return dataclasses.replace(inputs, data=data).key()


# Profiles whose flows take hours: some of them are not published yet.
_PLANNED = ("long", "wide")


def key_without_data(inputs: Inputs) -> str:
    return dataclasses.replace(inputs, data={}).key()


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def typed(manifest: dict[str, Any]) -> dict[str, str]:
    """What the manifest's command types for each parameter."""
    options = shlex.split(manifest["command"])[4:]
    return dict(zip(options[1::3], options[2::3], strict=True))


def test_all_are_here() -> None:
    """What the book is made from; what measures a machine; and of the plan what is done."""
    stored = {key_without_data(Inputs(**read(path)["inputs"])) for path in MANIFESTS}
    assert len(stored) == len(MANIFESTS)
    planned = [e for e in published_experiments() if e.parameters().get("profile") in _PLANNED]
    needed = [e for e in published_experiments() if e not in planned]
    machines = (Cost(), Growth(), PeersCost(), GpuCost())
    keys = {key_without_data(e.inputs_on_trust()) for e in (*needed, *machines, PaperSize())}
    assert keys <= stored
    assert stored <= keys | {key_without_data(e.inputs_on_trust()) for e in planned}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_a_result_is_found_by_its_parameters(path: Path) -> None:
    manifest = read(path)
    kind = KINDS[manifest["inputs"]["experiment"]]
    experiment = kind(**manifest["parameters"])
    assert key_with_data(experiment, manifest["inputs"]["data"]) == manifest["key"]
    # A result may be older than a parameter, which is then at its default.
    defaults = {name: parameter.default for name, parameter in declared(kind).items()}
    assert experiment.parameters() == defaults | manifest["parameters"]


@pytest.mark.parametrize(
    "path",
    [path for path in MANIFESTS if not KINDS[path.parent.parent.name].shown_by],
    ids=lambda path: path.parent.name,
)
def test_a_result_is_found_by_what_its_command_types(path: Path) -> None:
    manifest = read(path)
    kind = KINDS[manifest["inputs"]["experiment"]]
    texts = {name: text for name, text in typed(manifest).items() if name in declared(kind)}
    experiment = kind(**from_texts(kind, texts))
    assert key_with_data(experiment, manifest["inputs"]["data"]) == manifest["key"]


@pytest.mark.parametrize("name", KINDS)
def test_a_raised_version_misses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version of each experiment, one by one."""
    kind = KINDS[name]
    manifest = read(next(path for path in MANIFESTS if path.parent.parent.name == name))
    data = manifest["inputs"]["data"]
    for step, version in dict(kind.versions).items():
        monkeypatch.setattr(kind, "versions", {**kind.versions, step: version + 1})
        assert key_with_data(kind(**manifest["parameters"]), data) != manifest["key"]
        monkeypatch.undo()
    assert key_with_data(kind(**manifest["parameters"]), data) == manifest["key"]


def test_one_and_one_point_zero_are_two_values() -> None:
    """Where a parameter may be either, each has a key of its own, also when it is typed."""
    kind = KINDS["gradient_short_circuit"]
    whole, real = kind(fraction=1), kind(fraction=1.0)
    assert whole.inputs_on_trust().key() != real.inputs_on_trust().key()
    assert kind(**from_texts(kind, {"fraction": "1"})).parameters()["fraction"].__class__ is float
    sweep = KINDS["epoch_sweep"]
    epochs = from_texts(sweep, {"epochs": "[0, 0.5, 1]"})["epochs"]
    assert [type(epoch) for epoch in epochs] == [int, float, int]


def test_inputs_are_those_of_the_manifest() -> None:
    manifest = read(MANIFESTS[0])
    assert Inputs(**manifest["inputs"]).key() == manifest["key"]
