"""Names of data sets and detectors for readers."""

from __future__ import annotations

import re

from earlyglow.datasets.catalogue import DATASETS
from earlyglow.datasets.sources import is_source

_DETECTORS = {
    "layer_gradients": "the paper's score",
    "layer_gradients log_prob": "gradients of log p",
    "layer_gradients sum_z": "gradients of Σ z",
    "input_complexity png": "input complexity, PNG",
    "input_complexity jpeg2000": "input complexity, JPEG 2000",
    "layer_density log_prob": "density of log norms",
    "total_norm log_prob": "total norm",
    "rao log_prob": "Rao's score",
    "neighbours log_prob": "5 nearest neighbours",
    "residual log_prob": "5 axes removed",
    "placebo log_prob": "5 other axes removed",
    "components log_prob": "20 axes whitened",
    "covariance log_prob": "shrunk covariance",
    "no_flow": "no flow",
    "neighbours": "5 nearest neighbours",
    "residual": "5 axes removed",
    "placebo": "5 other axes removed",
    "components": "20 axes whitened",
    "covariance": "shrunk covariance",
}
_MODELS = {"glow": "Glow", "dense_glow": "DenseGlow"}


def model_title(model: str) -> str:
    """A flow's name for readers."""
    return _MODELS.get(model, model)


def file_name(dataset: str) -> str:
    """A data set's name as a part of a file's: pictures of one's own by their folder's name."""
    title = DATASETS[dataset].title if is_source(dataset) else dataset
    return re.sub(r"[^\w.-]+", "_", title)


def title_of(dataset: str) -> str:
    """A data set's name for readers."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset.replace("_", " ")


def detector_title(detector: str, objective: str) -> str:
    """A detector's name for readers."""
    name = f"{detector} {objective}".strip()
    return _DETECTORS.get(name, name)


def score_titles(*detectors: str) -> dict[str, str]:
    """Names by detector for readers of a page that knows one objective."""
    return {name: _score_title(name) for name in detectors}


def _score_title(detector: str) -> str:
    if detector in _DETECTORS:
        return _DETECTORS[detector]
    return _DETECTORS.get(f"{detector} log_prob", detector_title(detector, ""))
