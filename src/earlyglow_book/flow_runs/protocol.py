"""What is measured of every flow: the halves, the objectives, and the versions of these steps."""

from __future__ import annotations

from collections.abc import Iterable

from earlyglow_book.flow_runs.flows import VERSIONS

# The half of the ID test images that detectors are fitted on.
FIT = "fit"
OBJECTIVES = ("log_prob", "sum_z")
# The paper's first CIFAR-10 epoch, in images.
EARLY_IMAGES = 50_000
# Raised by hand when the meaning of a norm or a log-likelihood changes.
NORM_VERSIONS = {"gradients": 2}
# Of an epoch sweep's steps, which are those of every study of its flow.
SWEEP_VERSIONS = {**VERSIONS, **NORM_VERSIONS, "detectors": 1, "epoch_sweep": 2}


def early_epoch(epochs: Iterable[float], images_per_epoch: int) -> float:
    """The first epoch at which 50,000 images are seen, or the first trained one."""
    trained = [epoch for epoch in epochs if epoch > 0]
    seen = (epoch for epoch in trained if epoch * images_per_epoch >= EARLY_IMAGES)
    return next(seen, trained[0])


def three_epochs(epochs: Iterable[float]) -> tuple[float, float, float]:
    """The first trained epoch, one in the middle of the list, and the last."""
    trained = sorted({epoch for epoch in epochs if epoch > 0}) or [0.0]
    return trained[0], trained[len(trained) // 2], trained[-1]
