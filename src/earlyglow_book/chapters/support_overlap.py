"""Overlap of ID and OOD scores against epoch and AUROC: the paper's mechanism, put to the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlyglow import detectors
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.studies.base import BASE_SOURCE, FlowStudy, Workbench
from earlyglow.experiments.sweep_tables import compact
from earlyglow.flows import bits_per_dim
from earlyglow.metrics import auroc
from earlyglow.overlap import overlap_coefficient, overlap_interval
from earlyglow.store import Tables

# What the released code takes, in bits per dimension.
RELEASED_BANDWIDTH = 0.5
_RESAMPLES = 200


@dataclass(frozen=True)
class SupportOverlap(FlowStudy):
    """Overlap coefficients of likelihoods and of gradient scores, at every epoch."""

    name: ClassVar[str] = "support_overlap"
    version: ClassVar[int] = 2
    source_path: ClassVar[tuple[str, ...]] = (
        *BASE_SOURCE,
        "experiments/studies/support_overlap.py",
        "overlap.py",
    )

    def settings(self) -> dict[str, object]:
        return {"bandwidth": RELEASED_BANDWIDTH, "resamples": _RESAMPLES}

    def tables(self, bench: Workbench) -> Tables:
        rows = [row for checkpoint in bench.checkpoints() for row in self._rows(checkpoint)]
        return {"overlap": compact(pd.DataFrame(rows))}

    def _rows(self, checkpoint: MeasuredCheckpoint) -> Iterator[dict[str, object]]:
        bits, gradients = _bits(checkpoint), _compressed_scores(checkpoint)
        for ood in self.ood_datasets:
            for detector, values in (("likelihood", bits), ("layer_gradients", gradients)):
                inside, outside = values[self.id_dataset], values[ood]
                low, high = overlap_interval(
                    inside, outside, method="histogram", resamples=_RESAMPLES
                )
                yield {
                    "epoch": checkpoint.epoch,
                    "ood": ood,
                    "detector": detector,
                    "auroc": auroc(inside, outside),
                    "kde": overlap_coefficient(inside, outside),
                    "kde_released": overlap_coefficient(
                        inside, outside, bandwidth=RELEASED_BANDWIDTH
                    ),
                    "histogram": overlap_coefficient(inside, outside, method="histogram"),
                    "histogram_low": low,
                    "histogram_high": high,
                }


def _bits(checkpoint: MeasuredCheckpoint) -> dict[str, NDArray[np.float64]]:
    """Bits per dimension of each image."""
    return {
        name: bits_per_dim(measured.log_prob.double(), checkpoint.flow.dims).cpu().numpy()
        for name, measured in checkpoint.statistics.items()
    }


def _compressed_scores(checkpoint: MeasuredCheckpoint) -> dict[str, NDArray[np.float64]]:
    """Gradient scores on a scale that is linear within the fit half and logarithmic far from it.

    The overlap of two densities does not depend on the scale, but its estimate does: scores far out
    would make a kernel density with one bandwidth flat where the two sets meet.
    """
    key = ("log_prob", 1)
    detector = detectors.LayerGradientDetector(checkpoint.flow)
    detector.fit_from_statistics(checkpoint.statistics[FIT].norms[key].values)
    scores = {
        name: detector.predict_from_statistics(measured.norms[key].values).cpu().numpy()
        for name, measured in checkpoint.statistics.items()
    }
    quarter, middle, three_quarters = np.quantile(scores[FIT], [0.25, 0.5, 0.75])
    return {
        name: np.arcsinh((values - middle) / (three_quarters - quarter))
        for name, values in scores.items()
    }
