"""New pictures scored with a finished run's flow and detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.datasets.pictures import picture_files as pictures_below
from earlyglow.datasets.pictures import read_picture
from earlyglow.detectors import conformal_p_values
from earlyglow_book.flow_runs import measuring
from earlyglow_book.flow_runs.detectors import DEFAULT, DetectorName, build_detector
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.study import FlowExperiment
from earlyglow_book.parameters import ParameterError
from earlyglow_book.results import Result
from earlyglow_book.verify import stored_experiment

_SHOWN = 12


@dataclass(frozen=True)
class Scored:
    """Pictures with their scores.

    Attributes:
        table: columns file, score, p_value, unusual; the most unusual first.
        pixels: uint8 (N, C, H, W), in the table's order.
    """

    table: pd.DataFrame
    pixels: Tensor


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """The picture files that paths name: files as they are, and all below folders.

    Raises:
        ParameterError: a path does not exist, or there is no picture.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ParameterError(f"there is no file or folder {path}; check the path.")
        found += pictures_below(path) if path.is_dir() else [path]
    if not found:
        raise ParameterError(f"there is no picture in {', '.join(map(str, paths))}.")
    return sorted(set(found))


def score_pictures(
    result: Result,
    files: Sequence[Path],
    false_alarms: float = 0.05,
    detector: DetectorName | None = None,
) -> Scored:
    """Score pictures with the last checkpoint of a stored result's flow.

    The flow is taken from the cache, or trained. The detector is fitted on the run's fit half, and
    p-values come from its eval half: of n ID scores, (1 + how many are as high) / (n + 1).

    Args:
        result: of an experiment on one flow, such as an epoch sweep.
        files: of the pictures.
        false_alarms: the share of ID pictures that may be called unusual.
        detector: how the norms are read; None for the run's way.

    Raises:
        ParameterError: the result is of no flow, or has too few ID scores for the share.
        DatasetError: a picture cannot be read, or the run's images are not at hand.
    """
    experiment = stored_experiment(result)
    if not isinstance(experiment, FlowExperiment):
        raise ParameterError(
            f"{result.name} is of no flow; name a result of epoch_sweep or readings."
        )
    run = experiment.run
    sets = run.load_sets()
    fit, own = sets[FIT], sets[run.id_dataset]
    least = 1 / (len(own) + 1)
    if false_alarms < least:
        raise ParameterError(
            f"the share of false alarms is {false_alarms}, but with {len(own)} ID pictures to "
            f"compare with it must be at least {least:.2g}."
        )
    pixels = torch.from_numpy(
        np.stack([read_picture(file, str(file), own.image_shape) for file in files])
    )
    trained = run.train(cache_folder())
    flow = run.spec.build(run.seed)
    eg.load_weights(flow, trained.checkpoints[max(trained.checkpoints)])
    own_way = getattr(experiment, "detector", DEFAULT)
    scorer = build_detector(detector or own_way, flow.eval())
    scorer.fit(measuring.noisy_pixels(fit, run.seed))
    id_scores = scorer.predict(measuring.noisy_pixels(own, run.seed))
    pictures = eg.ImageSet(pixels, torch.full((len(pixels),), -1), "pictures", "test")
    scores = scorer.predict(measuring.noisy_pixels(pictures, run.seed))
    p_values = conformal_p_values(scores, id_scores)
    order = scores.argsort(descending=True)
    table = pd.DataFrame(
        {
            "file": [str(files[i]) for i in order.tolist()],
            "score": scores[order].numpy().round(3),
            "p_value": p_values[order].numpy().round(4),
            "unusual": (p_values[order] <= false_alarms).numpy(),
        }
    )
    return Scored(table, pixels[order])


def write_contact_sheet(scored: Scored, path: Path) -> None:
    """The most and the least unusual pictures, two rows, each with its p-value."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    count = min(_SHOWN, len(scored.pixels))
    places = [list(range(count)), list(range(len(scored.pixels) - count, len(scored.pixels)))]
    figure, axes = plt.subplots(2, count, figsize=(1.1 * count + 0.6, 3.2), squeeze=False)
    for row, (title, indices) in enumerate(
        zip(("most unusual", "least unusual"), places, strict=True)
    ):
        for axis, i in zip(axes[row], indices, strict=True):
            axis.imshow(scored.pixels[i].permute(1, 2, 0).squeeze(-1), cmap="gray")
            axis.set_title(f"p {scored.table['p_value'][i]:.3f}", fontsize="small")
            axis.set_axis_off()
        axes[row][0].text(
            -0.2, 0.5, title, rotation=90, ha="right", va="center", transform=axes[row][0].transAxes
        )
    figure.savefig(path, bbox_inches="tight", dpi=150)
    plt.close(figure)
