"""All experiments and notebooks by name: a new one is one new entry here."""

from __future__ import annotations

from typing import ClassVar, Protocol

from earlyglow.experiments.cost import Cost
from earlyglow.experiments.dense_glow_full_size import DenseGlowFullSize
from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.quickstart import Quickstart
from earlyglow.experiments.running import Experiment
from earlyglow.experiments.short_circuit import ShortCircuit, ShortCircuitCost
from earlyglow.experiments.studies import STUDIES
from earlyglow.experiments.three_sweeps import ThreeSweeps
from earlyglow.experiments.verdict import Verdict


class NotebookParameters(Protocol):
    """What checks the parameters of a notebook, and computes beforehand what it shows."""

    name: ClassVar[str]

    def prepare(self) -> None: ...


_STORED: tuple[type[Experiment], ...] = (
    EpochSweep,
    Cost,
    *STUDIES,
    ShortCircuit,
    ShortCircuitCost,
)
# In the order of the book.
_SHOWN: tuple[type[NotebookParameters], ...] = (
    Quickstart,
    EpochSweep,
    ThreeSweeps,
    *STUDIES,
    DenseGlowFullSize,
    Verdict,
    ShortCircuit,
    Cost,
)

# Experiments whose results are stored.
EXPERIMENTS: dict[str, type[Experiment]] = {kind.name: kind for kind in _STORED}

# Every notebook and the class that checks its parameters.
NOTEBOOKS: dict[str, type[NotebookParameters]] = {kind.name: kind for kind in _SHOWN}
