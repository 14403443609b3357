"""Fitted detectors in files: tensors in safetensors, the rest in JSON; nothing is executed."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from earlyglow.cache import atomic_path
from earlyglow.detectors.base import GroupDetector
from earlyglow.detectors.gradient_baselines import (
    LayerDensityDetector,
    RaoDetector,
    TotalNormDetector,
)
from earlyglow.detectors.image_statistics import ImageStatisticsDetector
from earlyglow.detectors.input_complexity import InputComplexityDetector
from earlyglow.detectors.joint_readings import (
    LayerCovarianceDetector,
    LayerNeighbourDetector,
    LayerResidualDetector,
)
from earlyglow.detectors.layer_gradients import LayerGradientDetector
from earlyglow.detectors.likelihood import LikelihoodDetector, TypicalityDetector
from earlyglow.detectors.log_norms import Moments

_FORMAT = "earlyglow-detector-1"
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        ImageStatisticsDetector,
        InputComplexityDetector,
        LayerCovarianceDetector,
        LayerDensityDetector,
        LayerGradientDetector,
        LayerNeighbourDetector,
        LayerResidualDetector,
        LikelihoodDetector,
        RaoDetector,
        TotalNormDetector,
        TypicalityDetector,
    )
}


class DetectorFileError(Exception):
    """A file that holds no detector that can be used; the message says what to do."""


def save_detector(detector: GroupDetector, path: Path | str) -> None:
    """Write a detector and what it was fitted to, but not its model, to a safetensors file.

    Args:
        detector: any detector of this package with a named objective; a combined one has several.
        path: the file to write.

    Raises:
        TypeError: the detector is of another kind, or its objective is a function.
        DetectorFileError: the file cannot be written there.
    """
    kind = type(detector).__name__
    if type(detector) is not _KINDS.get(kind):
        raise TypeError(
            f"a {kind} cannot be saved; the kinds that can are {', '.join(sorted(_KINDS))}."
        )
    options = {name: getattr(detector, name) for name in _options(type(detector))}
    if callable(options.get("objective")):
        raise TypeError(
            "the detector's objective is a function, which cannot be saved; name it 'log_prob' or "
            "'sum_z', or save your own score."
        )
    tensors: dict[str, Tensor] = {}
    for name, value in vars(detector).items():
        for key, part in _parts(name, value):
            tensors[key] = part.detach().cpu().contiguous()
    facts = {
        "kind": kind,
        "options": options,
        "dropped": list(getattr(detector, "dropped", ())),
        "parameters": _layout(getattr(detector, "model", None)),
    }
    metadata = {"format": _FORMAT, "facts": json.dumps(facts)}
    try:
        with atomic_path(Path(path)) as temporary:
            # A file without tensors has no metadata either.
            save_file({"none": torch.zeros(0), **tensors}, temporary, metadata)
    except OSError as error:
        raise DetectorFileError(
            f"{path} cannot be written ({error.strerror}); name a file elsewhere."
        ) from error


def load_detector(path: Path | str, model: nn.Module | None = None) -> Any:
    """Read a detector that :func:`save_detector` wrote.

    Args:
        path: the file.
        model: the model that it scores with, with the weights that it was fitted under.

    Raises:
        DetectorFileError: the file is missing, foreign or damaged, or belongs to another model.
        TypeError: ``model`` is no module.
    """
    if model is not None and not isinstance(model, nn.Module):
        raise TypeError(f"model is {model!r:.60}, but it must be the model that it scores with.")
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(metadata["facts"]) if metadata.get("format") == _FORMAT else None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DetectorFileError(
            f"{path} is no readable detector ({type(error).__name__}); save it again."
        ) from error
    if facts is None or facts["kind"] not in _KINDS:
        raise DetectorFileError(f"{path} was not written by save_detector; fit and save it again.")
    kind = _KINDS[facts["kind"]]
    if _takes_model(kind) and model is None:
        raise DetectorFileError(f"{path} holds a {kind.__name__}, which needs model=, its model.")
    fitted_to = facts.get("parameters")
    if _takes_model(kind) and fitted_to and fitted_to != _layout(model):
        raise DetectorFileError(
            f"{path} was fitted to {len(fitted_to)} tensors, but this model has "
            f"{len(_layout(model))}, or others; give the model that it was fitted under."
        )
    options = facts["options"]
    detector = (
        kind(model, **options) if model is not None and _takes_model(kind) else kind(**options)
    )
    for name in {key.partition(".")[0] for key in tensors} - {"none"}:
        setattr(detector, name, _whole(name, tensors))
    if hasattr(detector, "dropped"):
        detector.dropped = tuple(facts["dropped"])
        moments = detector._moments
        if isinstance(moments, Moments) and len(moments.kept) != len(detector.names):
            raise DetectorFileError(
                f"{path} was fitted to {len(moments.kept)} tensors, but this model has "
                f"{len(detector.names)}; give the model that it was fitted under."
            )
    return detector


def _layout(model: nn.Module | None) -> dict[str, list[int]]:
    """The names and shapes of a model's parameters, by which another one is noticed."""
    named = model.named_parameters() if model is not None else ()
    return {name.replace("_orig_mod.", ""): list(p.shape) for name, p in named}


def _takes_model(kind: type) -> bool:
    return "model" in inspect.signature(kind).parameters


def _options(kind: type) -> list[str]:
    """The names of a detector's arguments other than its model, which are attributes too."""
    return [name for name in inspect.signature(kind).parameters if name != "model"]


def _parts(name: str, value: object) -> list[tuple[str, Tensor]]:
    """A private attribute's tensors under keys that say where they belong."""
    if not name.startswith("_"):
        return []
    if isinstance(value, Tensor):
        return [(name, value)]
    if is_dataclass(value):
        found = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, tuple | list):
        found = {str(i): part for i, part in enumerate(value)}
    else:
        return []
    return [(f"{name}.{k}", part) for k, part in found.items() if isinstance(part, Tensor)]


def _whole(name: str, tensors: dict[str, Tensor]) -> object:
    """An attribute put together from its tensors."""
    if name in tensors:
        return tensors[name]
    parts = {k.partition(".")[2]: t for k, t in tensors.items() if k.startswith(f"{name}.")}
    if all(key.isdecimal() for key in parts):
        return tuple(parts[key] for key in sorted(parts, key=int))
    return Moments(**parts)
