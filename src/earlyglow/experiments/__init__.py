"""Experiments: a configuration becomes a table of scores, kept by the hash of its inputs."""

from earlyglow.experiments.cost import Cost
from earlyglow.experiments.dense_glow_full_size import DenseGlowFullSize
from earlyglow.experiments.epoch_sweep import EpochSweep
from earlyglow.experiments.published import published_experiments
from earlyglow.experiments.quickstart import Quickstart
from earlyglow.experiments.registry import EXPERIMENTS, NOTEBOOKS
from earlyglow.experiments.running import Experiment, result_of
from earlyglow.experiments.short_circuit import ShortCircuit, ShortCircuitCost
from earlyglow.experiments.studies import (
    GroupSize,
    KmnistFailure,
    LikelihoodParadox,
    LowLevelFeatures,
    ReleasedCode,
    SupportOverlap,
    SyntheticAugmentation,
)
from earlyglow.experiments.summaries import auroc_table, select, three_epochs, with_intervals
from earlyglow.experiments.three_sweeps import ThreeSweeps
from earlyglow.experiments.verdict import Verdict
from earlyglow.experiments.verification import (
    cheapest_first,
    differences,
    is_reproducible,
    present_path,
    recomputed,
)

__all__ = [
    "EXPERIMENTS",
    "NOTEBOOKS",
    "Cost",
    "DenseGlowFullSize",
    "EpochSweep",
    "Experiment",
    "GroupSize",
    "KmnistFailure",
    "LikelihoodParadox",
    "LowLevelFeatures",
    "Quickstart",
    "ReleasedCode",
    "ShortCircuit",
    "ShortCircuitCost",
    "SupportOverlap",
    "SyntheticAugmentation",
    "ThreeSweeps",
    "Verdict",
    "auroc_table",
    "cheapest_first",
    "differences",
    "is_reproducible",
    "present_path",
    "published_experiments",
    "recomputed",
    "result_of",
    "select",
    "three_epochs",
    "with_intervals",
]
