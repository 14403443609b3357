"""How much memory a backward pass keeps for each image, and how much of it there is."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import OBJECTIVES, Objective

_HELD = 3


class TensorMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that are made inside of the context.

    What a library allocates within one operation is not seen.

    Attributes:
        live: bytes of those that still exist.
        peak: the largest ``live`` so far.

    Examples:
        >>> with TensorMemory() as memory:
        ...     kept, gone = torch.zeros(10), torch.zeros(20).sum()
        >>> memory.live, memory.peak
        (44, 124)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self,
        operation: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        for value in tree_iter((args, kwargs)):
            if isinstance(value, Tensor):
                self._seen.add(value.untyped_storage()._cdata)
        result = operation(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, Tensor):
                self._see(value.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._seen:
            return
        self._seen.add(storage._cdata)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, storage._cdata, size)

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size


@dataclass(frozen=True)
class Need:
    """Bytes that a graph holds between its forward and its backward pass.

    Attributes:
        fixed: however many images there are.
        for_each: for each image on top.
    """

    fixed: int
    for_each: int

    def images_within(self, budget: int, formed: int) -> int:
        """Images, at least 1, whose gradient norms take at most ``budget`` bytes together.

        At its peak the backward pass holds what the forward pass left behind and, where weights
        are shared, the gradients and the inputs of all their uses, hence the factor 3.

        Args:
            budget: bytes.
            formed: bytes of weight gradients that the backend forms for each image at once.
        """
        left = budget - _HELD * self.fixed
        return max(left // (_HELD * (self.for_each + formed)), 1)


def need_of(model: nn.Module, x: Tensor, objective: Objective) -> Need:
    """What the objective's graph holds for images like ``x`` (N, ...), N at least 2.

    Measured on one image and on two, and remembered for the objectives that have a name.
    """
    known = _known_needs.setdefault(model, {})
    key = (objective, x.shape[1:], x.dtype, x.device)
    if key in known:
        return known[key]
    one, two = (_kept_bytes(model, x[:n], objective) for n in (1, 2))
    for_each = max(two - one, 1)
    need = Need(max(one - for_each, 0), for_each)
    # An unnamed objective may hold the model, which would then never be freed.
    if objective in OBJECTIVES.values():
        known[key] = need
    return need


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def _kept_bytes(model: nn.Module, x: Tensor, objective: Objective) -> int:
    with all_requiring_grad(model), TensorMemory() as memory:
        value = objective(model, x)
        kept = memory.live
    del value
    return kept


_known_needs: weakref.WeakKeyDictionary[nn.Module, dict[Hashable, Need]] = (
    weakref.WeakKeyDictionary()
)
