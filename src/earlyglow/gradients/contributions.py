"""A parameter's gradient for each sample, kept in the cheapest form that its norm allows.

Uses of one parameter are added as gradients, never as norms; a group of samples is the sum of
its members' gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dense:
    """The gradient itself: ``values`` (N, ...)."""

    values: Tensor

    def grouped(self, size: int) -> Dense:
        """The gradient of each group of ``size`` consecutive samples."""
        return Dense(self.values.unflatten(0, (-1, size)).sum(1)) if size > 1 else self

    def squared_norm(self) -> Tensor:
        """(N,) squared Frobenius norms."""
        flat = self.values.flatten(1)
        return torch.linalg.vecdot(flat, flat)

    def dense(self) -> Dense:
        return self


@dataclass(frozen=True)
class Outer:
    """A sum of outer products over T positions: ``Σ_t output_t input_tᵀ``.

    Attributes:
        output: (N, T, p) gradients with respect to a linear map's outputs.
        input: (N, T, d) its inputs.
    """

    output: Tensor
    input: Tensor

    def grouped(self, size: int) -> Outer:
        """A group's samples are more positions of one sample."""
        if size == 1:
            return self
        return Outer(
            self.output.unflatten(0, (-1, size)).flatten(1, 2),
            self.input.unflatten(0, (-1, size)).flatten(1, 2),
        )

    def squared_norm(self) -> Tensor:
        """(N,) squared Frobenius norms, by whichever of two ways multiplies less.

        ``‖Σ_t o_t i_tᵀ‖² = Σ_{s,t} (o_s·o_t)(i_s·i_t)``: two T×T matrices ("ghost norms",
        Goodfellow 2015) instead of one p×d gradient.
        """
        positions, outputs, inputs = *self.output.shape[1:], self.input.shape[2]
        if positions * (outputs + inputs) >= outputs * inputs:
            return self.dense().squared_norm()
        gram_output = self.output @ self.output.mT
        gram_input = self.input @ self.input.mT
        return torch.linalg.vecdot(gram_output.flatten(1), gram_input.flatten(1))

    def dense(self) -> Dense:
        return Dense(self.output.mT @ self.input)


Contribution = Dense | Outer


def add(first: Contribution, second: Contribution) -> Contribution:
    """The sum of two contributions to the same parameter."""
    if isinstance(first, Outer) and isinstance(second, Outer):
        return Outer(
            torch.cat((first.output, second.output), dim=1),
            torch.cat((first.input, second.input), dim=1),
        )
    left, right = first.dense().values, second.dense().values
    return Dense(left.flatten(1) + right.flatten(1))
