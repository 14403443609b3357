"""The checkpoints of a training run with what was measured of every image set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earlyglow.datasets import ImageSet, halves, load_images, subset
from earlyglow.experiments.profiles import Profile
from earlyglow.experiments.statistics import Statistics, measure_or_load
from earlyglow.flows import Flow
from earlyglow.progress import progress_bar
from earlyglow.training import choose_device, load_weights

# The half of the ID test images that detectors are fitted on.
FIT = "fit"


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """A flow at one epoch, and the statistics of each set under it."""

    epoch: float
    flow: Flow
    statistics: dict[str, Statistics]


def sets_to_measure(
    id_dataset: str, ood_datasets: Sequence[str], sizes: Profile
) -> dict[str, ImageSet]:
    """The images to measure: the fit half, the eval half, and the OOD sets in their shape."""
    test = load_images(id_dataset, "test")
    fit, evaluate = halves(len(test))
    sets = {
        FIT: test.take(fit[: sizes.fit_images]),
        id_dataset: test.take(evaluate[: sizes.eval_images]),
    }
    for name in ood_datasets:
        images = load_images(name, "test")
        chosen = images.take(subset(len(images), sizes.ood_images))
        sets[name] = chosen.matched_to(test.image_shape)
    return sets


def measured_checkpoints(
    flow: Flow,
    checkpoints: Mapping[float, Path],
    sets: Mapping[str, ImageSet],
    group_sizes: Sequence[int],
    seed: int,
    workspace: Path,
) -> Iterator[MeasuredCheckpoint]:
    """Each checkpoint in turn, measured or found measured in ``workspace``.

    The same ``flow`` is loaded with one checkpoint's weights after the other.
    """
    flow = flow.to(choose_device())
    with progress_bar(len(checkpoints) * len(sets), "scoring", "set") as progress:
        for epoch, path in checkpoints.items():
            load_weights(flow, path)
            flow.eval()
            measured = {}
            for name, images in sets.items():
                measured[name] = measure_or_load(flow, path, images, group_sizes, seed, workspace)
                progress.update()
            yield MeasuredCheckpoint(epoch, flow, measured)
