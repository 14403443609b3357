"""One optimiser step of a flow, in the form that its device is fastest with."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from earlyglow.flows import Flow
from earlyglow.flows.glow import Glow
from earlyglow.flows.stacked import StackedGlow
from earlyglow.training.config import TrainingConfig

log = logging.getLogger(__name__)

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_WARM_UP_STEPS = 3
# Makes gradients of a part of the batch those of the whole, in place.
Average = Callable[[Sequence[Tensor]], None]


def choose_update(
    model: Flow,
    config: TrainingConfig,
    batch: Tensor,
    state: Mapping[str, Tensor],
    average: Average | None = None,
) -> tuple[Update, Callable[[Tensor], Tensor]]:
    """The update that is fastest on the device of ``batch``, and the call that makes a step of it.

    On a GPU the whole step is captured in one CUDA graph, and a Glow trained with Adamax runs as
    :class:`~earlyglow.flows.stacked.StackedGlow`. Where that fails, a warning says why, and the
    plain update does it.

    Args:
        model: the flow, its actnorms initialised.
        config: its optimiser, weight decay and precision are read.
        batch: images (B, C, H, W) like all that come later.
        state: what :meth:`Update.state` gave, to go on from; other names are passed over.
        average: what several processes do with the gradients of their parts of the batch.
    """
    recomputes = any(getattr(module, "recomputes", False) for module in model.modules())
    if batch.device.type == "cuda" and not recomputes:
        try:
            return _captured(model, config, batch, state, average)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            log.warning(
                "the training step could not be captured in a CUDA graph (%s); training goes on "
                "with one kernel at a time, several times slower",
                reason,
            )
    plain = PlainUpdate(model, config, average=average)
    plain.load_state(state)
    return plain, plain


def _captured(
    model: Flow,
    config: TrainingConfig,
    batch: Tensor,
    state: Mapping[str, Tensor],
    average: Average | None = None,
) -> tuple[Update, Callable[[Tensor], Tensor]]:
    update: StackedUpdate | PlainUpdate
    if type(model) is Glow and config.optimiser == "adamax":
        update = StackedUpdate(model, config, compiled=True, average=average)
    else:
        update = PlainUpdate(model, config, capturable=True, average=average)
    try:
        update.load_state(state)
        return update, CapturedStep(update, batch)
    except RuntimeError:
        update.finish()
        raise


class Update(ABC):
    """Takes a batch to a loss and changes the model's weights."""

    @abstractmethod
    def set_learning_rate(self, value: float) -> None:
        """The learning rate from now on."""

    @abstractmethod
    def __call__(self, batch: Tensor) -> Tensor:
        """One step on images (B, C, H, W); the mean negative log-density before it, in nats."""

    @abstractmethod
    def state(self) -> Iterator[tuple[str, Tensor]]:
        """The optimiser's tensors as ``optimiser.<parameter's number>.<name>``."""

    @abstractmethod
    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` gave; other names are passed over."""

    @abstractmethod
    def changing(self) -> list[Tensor]:
        """All tensors that a step changes in place."""

    @abstractmethod
    def finish(self) -> None:
        """Leave the model as it was found, but for its weights."""


class PlainUpdate(Update):
    """The model's own ``log_prob`` and an optimiser of torch.

    Args:
        model: the flow.
        config: its optimiser, weight decay and precision are read.
        capturable: whether the step can be captured in a CUDA graph.
        average: what several processes do with the gradients of their parts of the batch.
    """

    def __init__(
        self,
        model: Flow,
        config: TrainingConfig,
        capturable: bool = False,
        average: Average | None = None,
    ) -> None:
        self.model, self.config, self.capturable = model, config, capturable
        self.average = average
        self.optimiser = _optimiser(model, config, capturable)

    def set_learning_rate(self, value: float) -> None:
        for group in self.optimiser.param_groups:
            if self.capturable:
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def __call__(self, batch: Tensor) -> Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        bf16 = self.config.precision == "bf16"
        with torch.autocast(
            batch.device.type, torch.bfloat16, enabled=bf16, cache_enabled=not self.capturable
        ):
            loss = -self.model.log_prob(batch).mean()
        loss.backward()
        if self.average:
            gradients = (parameter.grad for parameter in self.model.parameters())
            self.average([gradient for gradient in gradients if gradient is not None])
        self.optimiser.step()
        return loss.detach()

    def state(self) -> Iterator[tuple[str, Tensor]]:
        for index, state in self.optimiser.state_dict()["state"].items():
            for name, value in state.items():
                yield f"optimiser.{index}.{name}", value

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": _by_number(tensors), "param_groups": groups})

    def changing(self) -> list[Tensor]:
        states = self.optimiser.state.values()
        return [*self.model.parameters(), *(value for state in states for value in state.values())]

    def finish(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)


class StackedUpdate(Update):
    """A stacked Glow, and Adamax (arXiv 1412.6980, algorithm 2) on all its weights at once.

    Args:
        model: the flow, its actnorms initialised.
        config: its weight decay and precision are read.
        compiled: whether the arithmetic is compiled.
        average: what several processes do with the gradients of their parts of the batch.
    """

    def __init__(
        self, model: Glow, config: TrainingConfig, compiled: bool, average: Average | None = None
    ) -> None:
        self.average = average
        self.glow = StackedGlow(model, config.precision, compiled)
        self.weight_decay = config.weight_decay
        self.mean = torch.zeros_like(self.glow.flat)
        self.largest = torch.zeros_like(self.glow.flat)
        self.count = self.glow.flat.new_zeros(())
        self.learning_rate = self.glow.flat.new_tensor(config.learning_rate)
        self._adamax = torch.compile(_adamax, dynamic=False) if compiled else _adamax

    def set_learning_rate(self, value: float) -> None:
        self.learning_rate.fill_(value)

    def __call__(self, batch: Tensor) -> Tensor:
        loss = -self.glow.log_prob(batch).mean()
        gradient = self.glow.gradient(loss)
        if self.average:
            self.average([gradient])
        with torch.no_grad():
            self._adamax(
                self.glow.flat,
                gradient,
                self.mean,
                self.largest,
                self.count,
                self.learning_rate,
                self.weight_decay,
            )
        return loss.detach()

    def state(self) -> Iterator[tuple[str, Tensor]]:
        means, largest = self.glow.split(self.mean), self.glow.split(self.largest)
        for index, (mean, most) in enumerate(zip(means, largest, strict=True)):
            # Tensors that share memory cannot be saved.
            yield f"optimiser.{index}.step", self.count.clone()
            yield f"optimiser.{index}.exp_avg", mean.clone()
            yield f"optimiser.{index}.exp_inf", most.clone()

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        by_number = sorted(_by_number(tensors).items())
        if by_number:
            states = [state for _, state in by_number]
            self.mean.copy_(self.glow.join([state["exp_avg"] for state in states]))
            self.largest.copy_(self.glow.join([state["exp_inf"] for state in states]))
            self.count.copy_(states[0]["step"])

    def changing(self) -> list[Tensor]:
        return [self.glow.flat, self.mean, self.largest, self.count]

    def finish(self) -> None:
        self.glow.release()


class CapturedStep:
    """An update's step, recorded in one CUDA graph and replayed: its kernels start at once.

    Args:
        update: what is recorded. It reads nothing on the host in its step.
        batch: images (B, C, H, W) like all that come later.
    """

    def __init__(self, update: StackedUpdate | PlainUpdate, batch: Tensor) -> None:
        self._batch = batch.clone()
        self._graph = torch.cuda.CUDAGraph()
        before = [tensor.clone() for tensor in update.changing()]
        try:
            self._warm_up(update)
            with torch.cuda.graph(self._graph):
                self._loss = update(self._batch)
        finally:
            _restore(update.changing(), before)

    def __call__(self, batch: Tensor) -> Tensor:
        self._batch.copy_(batch)
        self._graph.replay()
        return self._loss.clone()

    def _warm_up(self, update: Update) -> None:
        """Steps that compile, choose algorithms, and make the optimiser's state."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                update(self._batch)
        torch.cuda.current_stream().wait_stream(stream)


@torch.no_grad()
def _restore(tensors: list[Tensor], before: list[Tensor]) -> None:
    """Undo steps; what did not exist before the first one began with zeros."""
    for tensor in tensors[len(before) :]:
        tensor.zero_()
    for tensor, value in zip(tensors, before, strict=False):
        tensor.copy_(value)


def _adamax(
    weights: Tensor,
    gradient: Tensor,
    mean: Tensor,
    largest: Tensor,
    count: Tensor,
    learning_rate: Tensor,
    weight_decay: float,
) -> None:
    """Algorithm 2 of arXiv 1412.6980 in place, its weight decay as torch adds it."""
    gradient = gradient + weight_decay * weights
    count.add_(1)
    mean.lerp_(gradient, 1 - _BETA_1)
    largest.copy_(torch.maximum(largest * _BETA_2, gradient.abs() + _EPSILON))
    weights.sub_(learning_rate / (1 - _BETA_1**count) * mean / largest)


def _optimiser(model: Flow, config: TrainingConfig, capturable: bool) -> torch.optim.Optimizer:
    rate: Tensor | float = config.learning_rate
    if capturable:
        rate = torch.tensor(rate, device=next(model.parameters()).device)
    settings = {"lr": rate, "weight_decay": config.weight_decay, "capturable": capturable}
    if config.optimiser == "adamax":
        return torch.optim.Adamax(model.parameters(), **settings)  # type: ignore[arg-type]
    # The fused step reads and writes each weight once: a quarter of the time. Adamax has none.
    return torch.optim.AdamW(model.parameters(), **settings, fused=True)  # type: ignore[arg-type]


def _by_number(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The optimiser's tensors of each parameter, by the parameter's number."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    return state
