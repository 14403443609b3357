"""What is measured of every flow: the halves, the objectives, and the versions of these steps."""

from __future__ import annotations

from collections.abc import Iterable

from earlyglow_book.flow_runs.flows import VERSIONS

# The half of the ID test images that detectors are fitted on.
FIT = "fit"
OBJECTIVES = ("log_prob", "sum_z")
# Raised by hand when the meaning of a norm or a log-likelihood changes.
NORM_VERSIONS = {"gradients": 2}
# Of an epoch sweep's steps, which are those of every study of its flow.
SWEEP_VERSIONS = {**VERSIONS, **NORM_VERSIONS, "detectors": 1, "epoch_sweep": 2}


def three_epochs(epochs: Iterable[float]) -> tuple[float, float, float]:
    """The first trained epoch, one in the middle of the list, and the last."""
    trained = sorted({epoch for epoch in epochs if epoch > 0}) or [0.0]
    return trained[0], trained[len(trained) // 2], trained[-1]
