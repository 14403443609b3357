"""Train a classifier by cross-entropy, with exact resume after every epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from earlyglow.checks import require_least, require_whole
from earlyglow.datasets.dequantization import centre
from earlyglow.datasets.image_set import ImageSet
from earlyglow.hashing import digest
from earlyglow.progress import progress_bar
from earlyglow.training.batches import augment, batch_indices
from earlyglow.training.checkpoints import load_tensors, put_weights, save_tensors
from earlyglow.training.config import Augmentation, TrainingConfig
from earlyglow.training.errors import CheckpointError, NonFiniteLossError
from earlyglow.training.fitting import choose_device

_WARM_UP = 0.25
_MOMENTUM = 0.9


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of one training: stochastic gradient descent, one rise and fall of the step size.

    Attributes:
        epochs: passes through the training images.
        batch_size: images in one optimiser step; those that do not fill a batch wait for the next
            pass.
        learning_rate: its highest value, a quarter of the way through.
        weight_decay: L2 weight decay.
        augmentation: any of "shift" (up to a tenth of the size) and "flip" (left-right).
        seed: of the batches and the augmentation.
    """

    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 0.2
    weight_decay: float = 5e-4
    augmentation: tuple[Augmentation, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        require_whole("epochs", self.epochs, 1)
        require_least("learning_rate", self.learning_rate, 0)
        require_least("weight_decay", self.weight_decay, 0)
        _ = self.batches

    @property
    def batches(self) -> TrainingConfig:
        """The same settings where they concern batches, which are made as for a flow."""
        return TrainingConfig(
            (self.epochs,),
            batch_size=self.batch_size,
            augmentation=self.augmentation,
            seed=self.seed,
        )

    def as_dict(self) -> dict[str, object]:
        """The settings as JSON-like values."""
        return {**asdict(self), "augmentation": list(self.augmentation)}


@dataclass(frozen=True)
class TrainedClassifier:
    """A finished training.

    Attributes:
        model: the network, in evaluation mode.
        log: one record per epoch: epoch, loss (mean over its steps, nats), accuracy on its
            augmented batches.
    """

    model: nn.Module
    log: list[dict[str, float]]


def train_classifier(
    model: nn.Module, images: ImageSet, config: ClassifierConfig, folder: Path
) -> TrainedClassifier:
    """Train ``model`` in place, and go on from the last epoch that lies in ``folder``.

    Args:
        model: a freshly built network from images in [-0.5, 0.5) to logits.
        images: the training set, all of it labelled 0, 1, ….
        config: what to do.
        folder: where states of this (model, images, config) are kept.

    Raises:
        NonFiniteLossError: the loss is not a number any more.
        CheckpointError: the state in ``folder`` is damaged or of another training.
        ValueError: an image has no label.
    """
    if (images.labels < 0).any():
        raise ValueError(
            f"{images.name} has images without a label, so no classifier can be trained on it; "
            "choose a labelled set, such as cifar10 or fashion_mnist."
        )
    identity = digest(
        {
            "config": config.as_dict(),
            "images": images.fingerprint(),
            "labels": images.labels.tolist(),
            "model": repr(model),
            "initial weights": _weights_digest(model),
        }
    )
    path = folder / f"classifier-{identity[:16]}.safetensors"
    session = _Session(model.to(choose_device()), images, config, path)
    session.resume()
    session.run()
    return TrainedClassifier(model.eval(), session.log)


def _weights_digest(model: nn.Module) -> str:
    summary = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        summary.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        summary.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return summary.hexdigest()


class _Session:
    """One process's share of a training."""

    def __init__(
        self, model: nn.Module, images: ImageSet, config: ClassifierConfig, path: Path
    ) -> None:
        self.model, self.config, self.path = model, config, path
        self.device = choose_device()
        self.images, self.labels = images.images.to(self.device), images.labels.to(self.device)
        self.optimiser = torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad],
            lr=config.learning_rate,
            momentum=_MOMENTUM,
            weight_decay=config.weight_decay,
            nesterov=True,
        )
        self.steps = config.batches.steps_per_epoch(len(images))
        self.log: list[dict[str, float]] = []

    def run(self) -> None:
        """Train the epochs that are left; a state is written after each."""
        done, total = len(self.log), self.config.epochs * self.steps
        with progress_bar(total, "classifier", "step", initial=done * self.steps) as progress:
            for epoch in range(done, self.config.epochs):
                self.model.train()
                losses, hits = [], []
                for step in range(epoch * self.steps, (epoch + 1) * self.steps):
                    loss, correct = self._step(step)
                    losses.append(loss)
                    hits.append(correct)
                    progress.update()
                self._finish(epoch, torch.stack(losses), torch.stack(hits))

    def _step(self, step: int) -> tuple[Tensor, Tensor]:
        batches = self.config.batches
        chosen = batch_indices(batches, len(self.images), step).to(self.device)
        x = centre(augment(batches, self.images[chosen], {step: len(chosen)}))
        logits = self.model(x.contiguous(memory_format=torch.channels_last))
        loss = nn.functional.cross_entropy(logits, self.labels[chosen])
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate_at(step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach(), (logits.argmax(1) == self.labels[chosen]).float().mean()

    def learning_rate_at(self, step: int) -> float:
        """Step size of optimiser step ``step``: up to its highest value, then down to nothing."""
        share = (step + 1) / (self.config.epochs * self.steps)
        rising, falling = share / _WARM_UP, (1 - share) / (1 - _WARM_UP)
        return self.config.learning_rate * min(rising, falling)

    def _finish(self, epoch: int, losses: Tensor, hits: Tensor) -> None:
        if not losses.isfinite().all():
            raise NonFiniteLossError(
                f"the classifier's loss became infinite or NaN in epoch {epoch + 1}; lower "
                f"learning_rate (it is {self.config.learning_rate})."
            )
        record = {"epoch": epoch + 1, "loss": losses.mean().item(), "accuracy": hits.mean().item()}
        self.log.append(record)
        tensors = {**self.model.state_dict(), **dict(self._momenta())}
        save_tensors(self.path, tensors, {"log": self.log})

    def _momenta(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.model.named_parameters():
            state = self.optimiser.state.get(parameter, {})
            if state.get("momentum_buffer") is not None:
                yield f"momentum/{name}", state["momentum_buffer"]

    def resume(self) -> None:
        """Take over weights, momenta and log of the last epoch that was finished, if any."""
        if not self.path.is_file():
            return
        tensors, facts = load_tensors(self.path)
        momenta = {
            name.removeprefix("momentum/"): tensors.pop(name)
            for name in list(tensors)
            if name.startswith("momentum/")
        }
        put_weights(self.model, tensors, self.path)
        for name, parameter in self.model.named_parameters():
            if name in momenta:
                self.optimiser.state[parameter]["momentum_buffer"] = momenta[name].to(parameter)
        if not isinstance(facts.get("log"), list):
            raise CheckpointError(f"{self.path} has no log; delete it and train again.")
        self.log = list(facts["log"])  # type: ignore[call-overload]
