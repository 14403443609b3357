"""What a training is refused for before it begins."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from earlyglow.datasets import ImageSet
from earlyglow.training.config import TrainingConfig
from earlyglow.training.errors import CheckpointError


def require_trainable(model: object, images: object, config: object, folder: Path) -> None:
    """Refuse what is no model with something to train, no image set, or no place for files.

    Raises:
        TypeError: ``model`` is no flow, ``images`` no ImageSet, or ``config`` no TrainingConfig.
        ValueError: all parameters are frozen.
        CheckpointError: ``folder`` is a file, or cannot be written to.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"the model is {model!r:.60}, but train takes an instance of a flow, such as Glow."
        )
    if not callable(getattr(model, "log_prob", None)):
        inside = " (pass model.module)" if hasattr(model, "module") else ""
        raise TypeError(
            f"{type(model).__name__} has no log_prob, but train takes a flow, such as Glow{inside}."
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            f"no parameter of {type(model).__name__} is trained; call model.requires_grad_() first."
        )
    if not isinstance(images, ImageSet):
        raise TypeError(
            f"images is of type {type(images).__name__}, but train takes an ImageSet; wrap uint8 "
            "images (N, C, H, W) in earlyglow.ImageSet(images, labels, name, split)."
        )
    if not isinstance(config, TrainingConfig):
        raise TypeError(
            f"config is {config!r:.60}, but train takes earlyglow.TrainingConfig(epochs=...)."
        )
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(
            f"{folder} is a file, but checkpoints go into a folder; name another."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be made ({error.strerror}); name a folder elsewhere."
        ) from error
    if not writable:
        raise CheckpointError(f"{folder} cannot be written to; name a folder elsewhere.")
