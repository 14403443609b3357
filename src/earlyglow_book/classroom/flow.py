"""The small flow that comes with the package: trained on Fashion-MNIST, at several checkpoints.

With it come log-likelihoods and gradient norms of images that cannot come along: a class without a
network has the numbers of Fashion-MNIST, and scores its embedded images live.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import earlyglow as eg
from earlyglow.training.checkpoints import load_tensors, save_tensors

FOLDER = Path(__file__).parent / "fashion_flow"
ID_DATASET = "fashion_mnist"
IMAGE_SHAPE = (1, 28, 28)
TRAINING = eg.TrainingConfig(
    epochs=(0, 0.1, 0.5, 2, 10, 40),
    images_per_epoch=10_000,
    learning_rate=1e-3,
    warmup_epochs=1,
    seed=0,
)
EPOCHS: tuple[float, ...] = tuple(TRAINING.epochs)
# How many images of each set are recorded; those of the ID set are divided in fit and eval.
RECORDED = {"fit": 400, "eval": 300, "mnist": 300, "kmnist": 300, "omniglot": 300}


@dataclass(frozen=True)
class Recorded:
    """What the flow said of images that do not come along, at one checkpoint.

    Attributes:
        log_prob: (N,) log-likelihoods in nats, float32.
        log_norms: (N, L) natural logarithms of the squared gradient norms, float32; minus infinity
            where a gradient is zero.
    """

    log_prob: Tensor
    log_norms: Tensor


def build() -> eg.Glow:
    """The flow before its training, with the weights that the training starts from."""
    torch.manual_seed(TRAINING.seed)
    return eg.Glow(IMAGE_SHAPE, levels=2, steps=4, hidden=48)


def checkpoint(epoch: float) -> Path:
    """Where the weights of an epoch lie."""
    return FOLDER / f"epoch-{epoch:g}.safetensors"


def load(epoch: float) -> eg.Glow:
    """The flow at one of ``EPOCHS``; an epoch is 10,000 images. ValueError at any other."""
    _require_epoch(epoch)
    model = build()
    eg.load_weights(model, checkpoint(epoch))
    return model.eval()


def recorded(epoch: float) -> dict[str, Recorded]:
    """What was recorded at one of ``EPOCHS``, by set; ``RECORDED`` has the names and sizes.

    "fit" and "eval" are Fashion-MNIST test images, in two halves; the others are OOD test images.
    """
    _require_epoch(epoch)
    tensors, _ = load_tensors(FOLDER / f"recorded-{epoch:g}.safetensors")
    return {
        name: Recorded(tensors[f"{name}.log_prob"], tensors[f"{name}.log_norms"].float())
        for name in RECORDED
    }


def record(model: eg.Glow, images: dict[str, Tensor]) -> dict[str, Recorded]:
    """What ``model`` says of images (N, 1, 28, 28) in [-0.5, 0.5), by set."""
    said = {}
    for name, x in images.items():
        with torch.no_grad():
            log_prob = model.log_prob(x)
        said[name] = Recorded(log_prob, eg.layer_gradient_norms(model, x).values.log())
    return said


def save_record(said: dict[str, Recorded], epoch: float) -> None:
    """Write what was said at an epoch; log norms keep three digits."""
    tensors = {}
    for name, one in said.items():
        tensors[f"{name}.log_prob"] = one.log_prob
        tensors[f"{name}.log_norms"] = one.log_norms.half()
    save_tensors(FOLDER / f"recorded-{epoch:g}.safetensors", tensors, {"epoch": epoch})


def _require_epoch(epoch: float) -> None:
    if epoch not in EPOCHS:
        known = ", ".join(f"{e:g}" for e in EPOCHS)
        raise ValueError(f"epoch is {epoch!r}, but there are checkpoints at {known} only.")
