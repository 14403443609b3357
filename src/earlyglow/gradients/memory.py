"""How much memory a backward pass keeps for each image, and how much of it there is."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from earlyglow.gradients.model_state import all_requiring_grad
from earlyglow.gradients.objectives import Objective


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


def kept_bytes(model: nn.Module, x: Tensor, objective: Objective) -> int:
    """Bytes that the objective's graph holds between its forward and its backward pass."""
    with all_requiring_grad(model), TensorMemory() as memory:
        value = objective(model, x)
        kept = memory.live
    del value
    return kept


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def images_that_fit(
    model: nn.Module, x: Tensor, objective: Objective, formed: int, wanted: int, budget: int
) -> int:
    """Images, 1 to ``wanted``, whose gradient norms take at most ``budget`` bytes together.

    The backward pass holds about as much as the forward pass left behind, hence the factor 2.

    Args:
        model: the model.
        x: images (N, ...); one or two are passed through the model.
        objective: what is differentiated.
        formed: bytes of weight gradients that the backend forms for each image at once.
        wanted: as many as would be taken if there were memory enough.
        budget: bytes.
    """
    one = kept_bytes(model, x[:1], objective)
    if 2 * wanted * (one + formed) <= budget:
        return wanted
    two = kept_bytes(model, x[:2], objective)
    for_each = max(two - one, 1)
    fixed = one - for_each
    return min(max((budget - 2 * fixed) // (2 * (for_each + formed)), 1), wanted)
