"""Fit a flow by maximum likelihood, with checkpoints and exact resume.

The names are imported at their first use: a configuration needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoints": ["load_weights"],
        "config": ["TrainingConfig"],
        "errors": ["CheckpointError", "NonFiniteLossError"],
        "fitting": ["TrainingRun", "choose_device", "train"],
    },
)
