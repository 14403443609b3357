"""Fit a flow by maximum likelihood, with checkpoints and exact resume."""

from earlyglow.training.checkpoints import CheckpointError, load_weights
from earlyglow.training.config import TrainingConfig
from earlyglow.training.fitting import NonFiniteLossError, TrainingRun, choose_device, train

__all__ = [
    "CheckpointError",
    "NonFiniteLossError",
    "TrainingConfig",
    "TrainingRun",
    "choose_device",
    "load_weights",
    "train",
]
