"""The tables of an epoch sweep, made from what was measured at one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch

from earlyglow import detectors, flows
from earlyglow.datasets import DATASETS, ImageSet, quantize
from earlyglow.experiments.statistics import OBJECTIVES, Statistics
from earlyglow.experiments.summaries import score_rows
from earlyglow.flows import Flow

_SAMPLES = 12
_TEMPERATURE = 0.7
_EXAMPLES = 12


def score(
    flow: Flow, measured: dict[str, Statistics], group_sizes: tuple[int, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every detector on every set but the fit set, and the tensors it dropped."""
    scores, dropped = [], []
    for size in group_sizes:
        for name, objective, detector in _detectors(flow, size):
            detector.fit_from_statistics(_statistics_for(measured["fit"], objective, size))
            for dataset, measured_set in measured.items():
                if dataset == "fit":
                    continue
                values = detector.predict_from_statistics(
                    _statistics_for(measured_set, objective, size)
                )
                scores.append(score_rows(dataset, values, name, objective, size))
            if isinstance(detector, detectors.LayerGradientDetector):
                dropped.append(
                    {
                        "group_size": size,
                        "objective": objective,
                        "tensors": len(detector.names),
                        "dropped": len(detector.dropped),
                    }
                )
    return pd.concat(scores, ignore_index=True), pd.DataFrame(dropped)


def shown_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores that figures show, of every group size; no figure shows typicality."""
    return scores[scores["detector"] != "typicality"]


def _detectors(
    flow: Flow, size: int
) -> Iterator[
    tuple[
        str,
        str,
        detectors.LayerGradientDetector
        | detectors.LikelihoodDetector
        | detectors.TypicalityDetector,
    ]
]:
    for objective in OBJECTIVES:
        yield "layer_gradients", objective, detectors.LayerGradientDetector(flow, size, objective)
    yield "likelihood", "", detectors.LikelihoodDetector(flow, size)
    yield "typicality", "", detectors.TypicalityDetector(flow, size)


def _statistics_for(measured: Statistics, objective: str, size: int) -> torch.Tensor:
    if objective:
        return measured.norms[objective, size].values
    return detectors.mean_of_groups(measured.log_prob, size)


def bits_per_dim(flow: Flow, measured: dict[str, Statistics]) -> pd.DataFrame:
    """Mean bits per dimension of each set, with its standard error and number of images."""
    rows = []
    for dataset, measured_set in measured.items():
        bits = flows.bits_per_dim(measured_set.log_prob.double(), flow.dims)
        rows.append(
            {
                "dataset": dataset,
                "images": len(bits),
                "bits_per_dim": bits.mean().item(),
                "standard_error": (bits.std() / len(bits) ** 0.5).item(),
            }
        )
    return pd.DataFrame(rows)


def samples(flow: Flow, seed: int) -> pd.DataFrame:
    """A few samples of the flow, as grey levels."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        drawn = flow.sample(_SAMPLES, _TEMPERATURE)
    return picture_table("sample", quantize(drawn))


def examples(sets: dict[str, ImageSet]) -> Iterator[pd.DataFrame]:
    """A few images of each set, none where its terms do not allow them to be shown."""
    for name, images in sets.items():
        if name == "fit":
            continue
        few = images.images[:_EXAMPLES]
        shown = few if DATASETS[images.name].may_be_shown else torch.zeros_like(few[:0])
        yield picture_table(name, shown).assign(epoch=-1.0)


def picture_table(kind: str, images: torch.Tensor) -> pd.DataFrame:
    """Images (N, C, H, W) uint8 as rows: columns kind, shape, pixels."""
    shape = "x".join(map(str, images.shape[1:]))
    pixels = [image.cpu().numpy().tobytes() for image in images]
    return pd.DataFrame({"kind": kind, "shape": shape, "pixels": pixels})


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Names as categories, so that the files stay small."""
    names = ("dataset", "ood", "detector", "objective", "kind", "shape")
    kinds = {"group_size": "int16", **dict.fromkeys(names, "category")}
    return table.astype({name: kind for name, kind in kinds.items() if name in table})
