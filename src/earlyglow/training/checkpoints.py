"""Checkpoints: safetensors files that are written whole, checked on reading, and named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from earlyglow.cache import atomic_path
from earlyglow.training.errors import CheckpointError

FORMAT = "earlyglow-checkpoint-1"
# What torch.compile and nn.DataParallel put before the names of a module's parameters.
_COMPILED, _PARALLEL = "_orig_mod.", "module."


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write tensors and JSON-like facts to a safetensors file, atomically."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT,
        "facts": json.dumps(facts, sort_keys=True),
        "digest": _digest(stored),
    }
    with atomic_path(path) as temporary:
        save_file(stored, temporary, metadata)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read what ``save_tensors`` wrote.

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint of earlyglow.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; train the model first.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); weights that torch.save wrote "
            "are loaded by torch.load and model.load_state_dict, the names without 'module.' or "
            "'model.' before them, and those of Lightning from its entry 'state_dict'."
        ) from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was not written by earlyglow: its format is {metadata.get('format')!r}, not "
            f"{FORMAT!r}."
        )
    if metadata["digest"] != _digest(tensors):
        raise CheckpointError(
            f"{path} is damaged: its tensors do not match the digest recorded in it; take a copy "
            "of it, or train into another folder."
        )
    return tensors, json.loads(metadata["facts"])


def load_weights(model: nn.Module, path: Path | str) -> dict[str, object]:
    """Load a checkpoint's weights into ``model`` and return the checkpoint's facts.

    Raises:
        CheckpointError: the file cannot be used, or holds another model's weights.
    """
    tensors, facts = load_tensors(Path(path))
    put_weights(model, tensors, Path(path))
    return facts


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """A model's state by the names that it has without ``torch.compile`` around it."""
    return {name.replace(_COMPILED, ""): value for name, value in model.state_dict().items()}


def put_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors read from ``path`` into ``model``; CheckpointError where they do not fit."""
    names = dict(zip(_plain_names(model.state_dict()), model.state_dict(), strict=True))
    plain = _plain_names(tensors)
    given = {names.get(n, n): t for n, t in zip(plain, tensors.values(), strict=True)}
    try:
        model.load_state_dict(given)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} holds the weights of another model: {str(error).splitlines()[1].strip()}"
        ) from error


def _plain_names(names: Iterable[str]) -> list[str]:
    """The names without what wrappers put before them."""
    plain = [name.replace(_COMPILED, "") for name in names]
    wrapped = all(name.startswith(_PARALLEL) for name in plain)
    return [name.removeprefix(_PARALLEL) for name in plain] if wrapped else plain


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
    return digest.hexdigest()
