"""Fit a flow by maximum likelihood: checkpoints at chosen epochs, and exact resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from earlyglow.cache import atomic_path
from earlyglow.datasets.image_set import ImageSet
from earlyglow.flows import Flow, bits_per_dim
from earlyglow.hashing import digest
from earlyglow.precision import float32_products
from earlyglow.processes import joined
from earlyglow.progress import progress_bar
from earlyglow.threads import threads_for
from earlyglow.training.arguments import require_trainable
from earlyglow.training.batches import Batches, prepare
from earlyglow.training.checkpoints import (
    load_tensors,
    plain_state,
    put_weights,
    save_tensors,
)
from earlyglow.training.config import TrainingConfig
from earlyglow.training.duration import warn_of_long_training
from earlyglow.training.errors import CheckpointError, NonFiniteLossError
from earlyglow.training.interruption import interrupts_noted
from earlyglow.training.updates import Update, choose_update

_SAVE_SECONDS = 60.0
_CHECK_STEPS = 20
_LOGGED = ("step", "epoch", "bits_per_dim", "learning_rate")


@dataclass(frozen=True)
class TrainingRun:
    """A finished training run.

    Attributes:
        folder: where its files lie.
        checkpoints: the checkpoint file of each configured epoch, in order.
        log: one record per logged step: step, epoch, bits_per_dim, learning_rate.
    """

    folder: Path
    checkpoints: dict[float, Path]
    log: list[dict[str, float]] = field(repr=False)


def choose_device() -> torch.device:
    """A CUDA GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    model: Flow,
    images: ImageSet,
    config: TrainingConfig,
    folder: Path | str,
    device: torch.device | None = None,
) -> TrainingRun:
    """Train ``model`` in place, keep checkpoints in ``folder``, and resume what lies there.

    Killed at any moment and called again with the same arguments, a run ends with the same
    weights as one never killed (bit-identical on a CPU).

    Started by ``torchrun``, several processes train one flow: each takes its part of every batch,
    and the gradients are those of the whole batch. ``folder`` must be one that all of them see.

    Args:
        model: a freshly built flow; its weights are overwritten where ``folder`` holds a state.
        images: the training set.
        config: what to do.
        folder: one folder for each (model, images, config), and for each draw of the model's
            weights: the state that lies there replaces them. ``epochs`` may differ: a run goes on
            to further ones, bit-identical (on a CPU) to one that was asked for them at once.
        device: where to train; chosen automatically where omitted.

    Raises:
        TypeError: ``model`` is no module, or ``images`` no ImageSet.
        ValueError: there are fewer images than a batch holds, two epochs fall on one step, there
            are more processes than a batch has images, or all parameters are frozen.
        NonFiniteLossError: the loss is not a number any more.
        CheckpointError: ``folder`` holds the files of another run, or damaged ones.
    """
    device, folder = device or choose_device(), Path(folder)
    require_trainable(model, images, config, folder)
    model.to(device).train()
    session = _Session(model, images, config, folder, device)
    numbers = config.batch_size * images.images[0].numel()
    with threads_for(numbers), float32_products("ieee"):
        session.begin()
        session.run()
    model.eval()
    session.processes.wait()
    paths = {epoch: session.checkpoint_path(epoch) for epoch in config.epochs}
    return TrainingRun(folder, paths, session.log)


class _Session:
    """One process's share of a training run."""

    def __init__(
        self,
        model: Flow,
        images: ImageSet,
        config: TrainingConfig,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.model, self.config, self.folder, self.device = model, config, folder, device
        # The same run, whether torch.compile is around the model or not.
        plain = getattr(model, "_orig_mod", model)
        self.batches = Batches(config, images.images.to(device), _ahead(device))
        self._described = {
            "config": config.as_dict(),
            "images": images.fingerprint(),
            "model": repr(plain),
            "parameters": {n: [str(p.dtype), *p.shape] for n, p in plain.named_parameters()},
        }
        self.steps_per_epoch = config.steps_per_epoch(len(images))
        self.due = {self._step_of(epoch): epoch for epoch in config.epochs}
        if len(self.due) < len(config.epochs):
            raise ValueError(
                f"epochs is {config.epochs}, but two of them fall on the same step: an epoch has "
                f"{self.steps_per_epoch} steps; leave one out."
            )
        self.processes, size = joined(), config.batch_size
        if self.processes.count > size:
            raise ValueError(
                f"{self.processes.count} processes share a batch of {size} images; start at most "
                f"{size}, or raise batch_size."
            )
        self._part = self.processes.part(size)
        self._weight = (self._part.stop - self._part.start) / size
        self.step = 0
        self.log: list[dict[str, float]] = []
        self._unchecked: list[tuple[int, Tensor]] = []
        self._optimiser_state: dict[str, Tensor] = {}
        self._update: Update | None = None

    def checkpoint_path(self, epoch: float) -> Path:
        short = f"{epoch:g}"
        return self.folder / f"epoch-{short if float(short) == epoch else epoch}.safetensors"

    def begin(self) -> None:
        """Resume or start; the first of several processes does it, and the others take its state.

        The actnorms are thus initialised once.
        """
        if self.processes.is_first:
            self._resume_or_start()
        self.processes.wait()
        if not self.processes.is_first:
            self._load_state(self.folder / "state.safetensors")

    def _resume_or_start(self) -> None:
        """Load the state that lies in the folder, or begin.

        A checkpoint that is missing can only be made by training again from the beginning.
        """
        state = self.folder / "state.safetensors"
        if not state.exists() or self._lacks_checkpoints(state):
            self._initialise()
        else:
            self._load_state(state)

    def run(self) -> None:
        last = max(self.due)
        if self.step > last:
            self._go_back_to(last)
        if self.step == last:
            return
        self._update, step_on = choose_update(
            self.model,
            self.config,
            self.batches[self.step][self._part],
            self._optimiser_state,
            self._average if self.processes.count > 1 else None,
        )
        try:
            self._train_to(last, self._update, step_on)
        finally:
            self._update.finish()

    def _average(self, tensors: Sequence[Tensor]) -> None:
        """Make means over this process's part of a batch those over the whole, in place."""
        self.processes.add_up(tensors, self._weight)

    def _go_back_to(self, step: int) -> None:
        """Take a checkpoint of a run that went further; what lies in the folder stays."""
        tensors, _ = load_tensors(self.checkpoint_path(self.due[step]))
        put_weights(self.model, tensors, self.folder)
        self.step = step
        self.log = [record for record in self.log if record["step"] <= step]

    def _train_to(self, last: int, update: Update, step_on: Callable[[Tensor], Tensor]) -> None:
        begun = saved = time.monotonic()
        first = self.step
        with (
            interrupts_noted() as interrupted,
            progress_bar(last, "training", "step", initial=self.step) as progress,
        ):
            for step in range(self.step, last):
                update.set_learning_rate(self._learning_rate_at(step))
                loss = step_on(self.batches[step][self._part])
                self.step = step + 1
                self._unchecked.append((step, loss))
                progress.update()
                is_due = self.step in self.due
                if not is_due and len(self._unchecked) < _CHECK_STEPS:
                    continue
                self._check_losses(progress)
                if step - first + 1 == _CHECK_STEPS and self.device.type == "cpu":
                    warn_of_long_training(time.monotonic() - begun, _CHECK_STEPS, last - self.step)
                if is_due:
                    self._save_checkpoint(self.due[self.step])
                stopping = any(self.processes.collect(interrupted.is_set()))
                if is_due or stopping or time.monotonic() - saved > _SAVE_SECONDS:
                    self._save_state()
                    saved = time.monotonic()
                if stopping:
                    raise KeyboardInterrupt(f"step {self.step} of {last} of the training is kept")

    def _step_of(self, epoch: float) -> int:
        return round(epoch * self.steps_per_epoch)

    def _lacks_checkpoints(self, state: Path) -> bool:
        done = int(self._read_own(state)[1]["step"])  # type: ignore[call-overload]
        return any(
            step <= done and not self.checkpoint_path(epoch).is_file()
            for step, epoch in self.due.items()
        )

    def _initialise(self) -> None:
        """Initialise the actnorms from data and keep epoch 0 if it is asked for."""
        images = self.batches.images
        generator = torch.Generator().manual_seed(self.config.seed)
        order = torch.randperm(len(images), generator=generator)
        chosen = order[: self.config.initialisation_images]
        with torch.no_grad():
            self.model(prepare(self.config, images, [chosen], [-1]))
        if 0 in self.due:
            self._save_checkpoint(self.due[0])
        self._save_state()

    def _learning_rate_at(self, step: int) -> float:
        return self.config.learning_rate_at(step // self.steps_per_epoch)

    def _check_losses(self, progress: tqdm) -> None:
        """Read the losses since the last check, stop at one that is not finite, and log."""
        losses = torch.stack([loss for _, loss in self._unchecked])
        self._average([losses])
        values = losses.tolist()
        for (step, _), value in zip(self._unchecked, values, strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(self._describe_non_finite(step, value))
        mean = sum(values) / len(values)
        bpd = bits_per_dim(torch.tensor(-mean), self.model.dims).item()
        self._unchecked.clear()
        epoch = self.step / self.steps_per_epoch
        record = {
            "step": self.step,
            "epoch": epoch,
            "bits_per_dim": bpd,
            "learning_rate": self._learning_rate_at(self.step - 1),
        }
        self.log.append(record)
        rate = progress.format_dict["rate"] or 0.0
        progress.set_postfix_str(
            f"epoch {epoch:.2f}, {bpd:.3f} bpd, {rate * self.config.batch_size:.0f} images/s",
            refresh=False,
        )

    def _describe_non_finite(self, step: int, value: float) -> str:
        kept = [epoch for due, epoch in self.due.items() if due <= step]
        last = self.checkpoint_path(kept[-1]) if kept else None
        good = f"the last good checkpoint is {last}" if last else "no checkpoint was kept before it"
        return (
            f"the loss is {value} at epoch {step / self.steps_per_epoch:.3f}, step {step}; {good}; "
            "lower learning_rate or choose another seed."
        )

    def _facts(self) -> dict[str, object]:
        return {
            "identity": digest(self._described),
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            "config": self.config.as_dict(),
        }

    def _save_checkpoint(self, epoch: float) -> None:
        # The last step's loss was taken before its update, which may have broken the weights.
        if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
            raise NonFiniteLossError(self._describe_non_finite(self.step - 1, math.nan))
        if not self.processes.is_first:
            return
        save_tensors(self.checkpoint_path(epoch), plain_state(self.model), self._facts())

    def _save_state(self) -> None:
        if not self.processes.is_first:
            return
        tensors = {f"model.{name}": value for name, value in plain_state(self.model).items()}
        tensors |= dict(self._update.state()) if self._update else {}
        facts = {**self._facts(), "log": self.log}
        save_tensors(self.folder / "state.safetensors", tensors, facts)
        lines = "".join(json.dumps(record, sort_keys=True) + "\n" for record in self.log)
        with atomic_path(self.folder / "log.jsonl") as temporary:
            temporary.write_text(lines)

    def _read_own(self, path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
        """The tensors and facts of this run's state; CheckpointError where it is another's."""
        tensors, facts = load_tensors(path)
        theirs: dict[str, object] = dict(facts["config"])  # type: ignore[call-overload]
        # A run may be asked for other epochs than it was begun with.
        ours = {**self.config.as_dict(), "epochs": theirs.get("epochs")}
        if facts["identity"] != digest({**self._described, "config": ours}):
            other = self.config.differences(theirs) or "other images or another model"
            raise CheckpointError(
                f"{path} belongs to another training run: {other}; choose an empty folder."
            )
        return tensors, facts

    def _load_state(self, path: Path) -> None:
        tensors, facts = self._read_own(path)
        weights = {
            name.removeprefix("model."): value
            for name, value in tensors.items()
            if name.startswith("model.")
        }
        put_weights(self.model, weights, path)
        self._optimiser_state = tensors
        self.step = int(facts["step"])  # type: ignore[call-overload]
        # JSON has its own order of names, and a table of the log must not depend on the way here.
        self.log = [{name: record[name] for name in _LOGGED} for record in facts["log"]]  # type: ignore[attr-defined]


def _ahead(device: torch.device) -> int:
    """Steps whose batches are prepared together."""
    return _CHECK_STEPS if device.type == "cuda" else 1
