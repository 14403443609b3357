"""What is computed from parameters and stored: the base of all chapters whose numbers are kept."""

from __future__ import annotations

import os
import shlex
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.datasets.finding import find_fingerprint
from earlyglow.datasets.sources import is_source
from earlyglow.hashing import digest
from earlyglow_book.machine import code_state, keep_freed_memory
from earlyglow_book.results import Computed, Inputs, Result, discard, find, find_published, save


class Chapter:
    """A notebook's parameters; :func:`~earlyglow_book.parameters.parameters` makes each class."""

    name: ClassVar[str]

    def parameters(self) -> dict[str, Any]:
        """The parameters as the notebook takes them."""
        values = asdict(self)  # type: ignore[call-overload]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def prepare(self) -> None:
        """Compute beforehand what the notebook shows and takes minutes."""


class Experiment(Chapter, ABC):
    """A chapter whose tables are stored under the hash of what they mean.

    Attributes:
        notebook: the notebook that runs it, where that has another name.
        shown_by: the notebook that shows what is published of it, where none runs it.
        reproducible: whether the tables come out the same again; times do not.
        versions: of each step, raised by hand when its meaning changes.
    """

    notebook: ClassVar[str] = ""
    shown_by: ClassVar[str] = ""
    reproducible: ClassVar[bool] = True
    versions: ClassVar[dict[str, int]]

    @abstractmethod
    def configuration(self) -> dict[str, Any]:
        """What the result depends on, JSON-like; images, seed and versions apart."""

    @abstractmethod
    def splits(self) -> list[tuple[str, str]]:
        """Name and split of the image sets that the result depends on."""

    @abstractmethod
    def label(self) -> str:
        """A readable start for the result's folder."""

    @abstractmethod
    def compute(self, workspace: Path) -> Computed:
        """Compute the tables; what is half-done is kept in ``workspace``."""

    def inputs(self) -> Inputs:
        """What the result depends on; this reads the images that are at hand."""
        data = {f"{name}/{split}": find_fingerprint(name, split) for name, split in self.splits()}
        return _without_places(replace(self.inputs_on_trust(), data=data))

    def inputs_on_trust(self) -> Inputs:
        """What the result depends on, with no image looked at."""
        data = dict.fromkeys(f"{name}/{split}" for name, split in self.splits())
        seed = getattr(self, "seed", 0)
        return Inputs(self.name, self.configuration(), data, seed, self.versions)

    def prepare(self) -> None:
        result_of(self)


def result_of(experiment: Experiment) -> Result:
    """The stored result where there is one; else compute it (minutes or more) and store it.

    With ``EARLYGLOW_PUBLISHED=1``, as the book is built, only a published result is taken, as it
    is, whatever images lie on this machine.

    Raises:
        StoreError: only published results are taken, and there is none.
        DatasetError: images are needed that are neither here nor to be downloaded.
    """
    if os.environ.get("EARLYGLOW_PUBLISHED") == "1":
        return find_published(experiment.inputs_on_trust())
    inputs = experiment.inputs()
    found = find(inputs)
    if found is not None:
        return found
    _refuse_missing_images(inputs)
    return _compute_and_save(experiment)


def recompute(experiment: Experiment) -> Result:
    """Compute anew and put the result in the place of the one in the working folder, if any."""
    return _compute_and_save(experiment, discard_old=True)


def command(experiment: Experiment) -> str:
    """The shell command that computes an experiment's tables again, with the same parameters."""
    if experiment.shown_by:
        return shlex.join(["earlyglow", "verify", f"{experiment.name}/{experiment.label()}"])
    words = ["earlyglow", "run", experiment.notebook or experiment.name, "--recompute"]
    for name, value in experiment.parameters().items():
        words += ["-p", name, str(value).replace("'", "").replace('"', "")]
    return shlex.join(words)


def _compute_and_save(experiment: Experiment, discard_old: bool = False) -> Result:
    keep_freed_memory()
    # Of now: a long run must not be signed by a later edit.
    code, start = code_state(), time.monotonic()
    computed = experiment.compute(cache_folder())
    seconds = time.monotonic() - start
    # Only now are the fingerprints known of images that had to be downloaded.
    inputs, label, values = experiment.inputs(), experiment.label(), experiment.parameters()
    if discard_old:
        discard(inputs)
    return save(inputs, computed, label, values, command(experiment), seconds, code)


def _without_places(inputs: Inputs) -> Inputs:
    """The same with pictures of the user's own named by their pixels, wherever they lie."""
    names = {split.rpartition("/")[0] for split in inputs.data}
    pixels = {
        name: "own-" + digest([v for k, v in inputs.data.items() if k.startswith(f"{name}/")])[:16]
        for name in names
        if is_source(name)
    }

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [renamed(item) for item in value]
        return pixels.get(value, value) if isinstance(value, str) else value

    data = {}
    for key, fingerprint in inputs.data.items():
        name, _, split = key.rpartition("/")
        data[f"{pixels.get(name, name)}/{split}"] = fingerprint
    return replace(inputs, configuration=renamed(inputs.configuration), data=data)


def _refuse_missing_images(inputs: Inputs) -> None:
    """Refuse by DatasetError, before the first download, what the last one could not bring."""
    absent = {split.rpartition("/")[0] for split, found in inputs.data.items() if found is None}
    missing = sorted(name for name in absent if eg.DATASETS[name].origin == "file")
    if not missing:
        return
    others = [n for n in inputs.configuration.get("ood_datasets", ()) if n not in missing]
    # Where the ID set itself is missing, other OOD sets do not help.
    helps = others and inputs.configuration.get("id_dataset") not in missing
    example = f"such as -p ood_datasets '[{', '.join(others)}]', " if helps else ""
    others_absent = ", ".join(sorted(absent.difference(missing)))
    download = f" {others_absent} would be downloaded." if others_absent else ""
    raise eg.DatasetError(
        f"images of {', '.join(missing)} are not on this machine and torchvision does not "
        f"offer them; choose other sets, {example}or put Parquet files into $EARLYGLOW_DATA."
        f"{download}"
    )
