"""Run an experiment, or find its stored result."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Any, ClassVar, Protocol

from earlyglow.allocator import keep_freed_memory
from earlyglow.cache import cache_folder
from earlyglow.datasets import DATASETS, DatasetError
from earlyglow.store import Computed, Inputs, Result, discard, find, find_published, save


class Experiment(Protocol):
    """What an experiment's configuration offers.

    One that is shown in the notebook of another also has that one's name as ``notebook``.
    """

    name: ClassVar[str]
    source_path: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool]

    def parameters(self) -> dict[str, Any]: ...

    def inputs(self) -> Inputs: ...

    def inputs_on_trust(self) -> Inputs: ...

    def label(self) -> str: ...

    def compute(self, workspace: Path) -> Computed: ...


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
    return find(experiment.inputs()) or _compute_and_save(experiment)


def recompute(experiment: Experiment) -> Result:
    """Compute anew and put the result in the place of the one in the working folder, if any."""
    computed, seconds = _compute(experiment)
    discard(experiment.inputs())
    return _save(experiment, computed, seconds)


def command_of(experiment: Experiment) -> str:
    """The shell command that runs an experiment with the same parameters."""
    words = ["earlyglow", "run", getattr(experiment, "notebook", experiment.name)]
    for name, value in experiment.parameters().items():
        words += ["-p", name, str(value).replace("'", "").replace('"', "")]
    return shlex.join(words)


def _compute_and_save(experiment: Experiment) -> Result:
    _refuse_missing_images(experiment.inputs())
    return _save(experiment, *_compute(experiment))


def _refuse_missing_images(inputs: Inputs) -> None:
    """Refuse before the first download what the last one could not bring.

    Raises:
        DatasetError: a set is neither on this machine nor to be downloaded.
    """
    absent = {split.partition("/")[0] for split, found in inputs.data.items() if found is None}
    missing = sorted(name for name in absent if DATASETS[name].source is None)
    if missing:
        others = [n for n in inputs.configuration.get("ood_datasets", ()) if n not in missing]
        # Where the ID set itself is missing, other OOD sets do not help.
        helps = others and inputs.configuration.get("id_dataset") not in missing
        example = f"such as -p ood_datasets '[{', '.join(others)}]', " if helps else ""
        others_absent = ", ".join(sorted(absent.difference(missing)))
        download = f" {others_absent} would be downloaded." if others_absent else ""
        raise DatasetError(
            f"images of {', '.join(missing)} are not on this machine and torchvision does not "
            f"offer them; choose other sets, {example}or put Parquet files into $EARLYGLOW_DATA."
            f"{download}"
        )


def _compute(experiment: Experiment) -> tuple[Computed, float]:
    """The tables and the seconds that they took."""
    keep_freed_memory()
    start = time.monotonic()
    computed = experiment.compute(cache_folder())
    return computed, time.monotonic() - start


def _save(experiment: Experiment, computed: Computed, seconds: float) -> Result:
    return save(
        experiment.inputs(),
        computed,
        experiment.label(),
        experiment.parameters(),
        command_of(experiment),
        seconds,
        experiment.source_path,
    )
