"""A parameter's gradient for each sample, kept in the cheapest form that its norm allows.

Uses of one parameter are added as gradients, never as norms; a group of samples is the sum of
its members' gradients. Products of bf16 factors are accumulated in float32 by the matrix product
and squared and summed in float32 here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dense:
    """The gradient itself: ``values`` (N, ...)."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def grouped(self, size: int) -> Dense:
        """The gradient of each group of ``size`` consecutive samples."""
        return Dense(self.values.unflatten(0, (-1, size)).sum(1)) if size > 1 else self

    def squared_norm(self) -> Tensor:
        """(N,) squared Frobenius norms."""
        # Unlike a sum of squares, this makes no copy of the gradients.
        return torch.linalg.vector_norm(_accumulable(self.values).flatten(1), dim=1).square()

    def dense(self) -> Dense:
        return self

    def cheapest(self) -> Dense:
        return self


@dataclass(frozen=True)
class Outer:
    """A sum of outer products over T positions: ``Σ_t output_t input_tᵀ``.

    Attributes:
        output: (N, T, p) gradients with respect to a linear map's outputs.
        input: (N, T, d) its inputs.
        arrange: puts (N, p, d) gradients in the order of the parameter's own entries, where that
            differs.
    """

    output: Tensor
    input: Tensor
    arrange: Callable[[Tensor], Tensor] = torch.Tensor.contiguous

    def __post_init__(self) -> None:
        # Under autocast one factor may be bf16 and the other not.
        if torch.bfloat16 in (self.output.dtype, self.input.dtype):
            object.__setattr__(self, "output", self.output.bfloat16())
            object.__setattr__(self, "input", self.input.bfloat16())

    def __len__(self) -> int:
        return len(self.output)

    def grouped(self, size: int) -> Outer:
        """A group's samples are more positions of one sample."""
        if size == 1:
            return self
        return Outer(
            self.output.unflatten(0, (-1, size)).flatten(1, 2),
            self.input.unflatten(0, (-1, size)).flatten(1, 2),
            self.arrange,
        )

    def squared_norm(self) -> Tensor:
        """(N,) squared Frobenius norms, by whichever of two ways multiplies less.

        ``‖Σ_t o_t i_tᵀ‖² = Σ_{s,t} (o_s·o_t)(i_s·i_t)``: two T×T matrices ("ghost norms",
        Goodfellow 2015) instead of one p×d gradient.
        """
        if not self._gram_is_cheaper():
            return Dense(self._product()).squared_norm()
        gram_output = _accumulable(self.output @ self.output.mT)
        gram_input = _accumulable(self.input @ self.input.mT)
        return torch.linalg.vecdot(gram_output.flatten(1), gram_input.flatten(1))

    def dense(self) -> Dense:
        return Dense(self.arrange(_accumulable(self._product())))

    def cheapest(self) -> Contribution:
        """Itself, or its gradients where they cost less than the two matrices of positions.

        Gradients once formed serve the groups of every size.
        """
        return self if self._gram_is_cheaper() else Dense(_accumulable(self._product()))

    def _gram_is_cheaper(self) -> bool:
        positions, outputs, inputs = *self.output.shape[1:], self.input.shape[2]
        return positions * (outputs + inputs) < outputs * inputs

    def _product(self) -> Tensor:
        return self.output.mT @ self.input


Contribution = Dense | Outer


def total(uses: Sequence[Contribution]) -> Contribution:
    """The sum of contributions to the same parameter, from one or more uses of it."""
    if len(uses) == 1:
        return uses[0]
    outers = [use for use in uses if isinstance(use, Outer)]
    # A kernel's gradient may have been unfolded on one side here and on the other there.
    if len(outers) == len(uses) and len({outer.input.shape[2] for outer in outers}) == 1:
        return Outer(
            torch.cat([outer.output for outer in outers], dim=1),
            torch.cat([outer.input for outer in outers], dim=1),
            outers[0].arrange,
        )
    first, second, *others = (use.dense().values.flatten(1) for use in uses)
    sums = _accumulable(first) + second
    for other in others:
        sums += other
    return Dense(sums)


def squared_norm(gradient: Tensor) -> Tensor:
    """Sum of squared magnitudes of one gradient of any type, added up in float32 at least."""
    if gradient.is_sparse:
        gradient = gradient.coalesce().values()
    if gradient.is_complex():
        gradient = torch.view_as_real(gradient)
    return _accumulable(gradient).square().sum()


def _accumulable(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
