"""The gradient of a predicted class through a small head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earlyglow_book.classroom.checking import Case, Exercise


def _cases() -> Sequence[Case]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((3, 4, 5, 2), (6, 3, 8, 4))
    return [
        tuple(
            torch.randn(shape, generator=generator, dtype=torch.float64)
            for shape in ((n, d), (h, d), (c, h))
        )
        for n, d, h, c in sizes
    ]


def _of(features: Tensor, first: Tensor, second: Tensor, every_class: bool) -> Tensor:
    features = features.clone().requires_grad_()
    logits = (features @ first.T).relu() @ second.T
    chosen = logits.sum() if every_class else logits.amax(1).sum()
    return torch.autograd.grad(chosen, features)[0]


def _predicted(features: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return ((features @ first.T).relu() @ second.T).argmax(1)


EXERCISES = {
    "head_gradient": Exercise(
        truth=lambda features, first, second: _of(features, first, second, every_class=False),
        cases=_cases,
        mistakes={
            "the max(…, 0) is passed over: where a unit is at zero, nothing goes through it.": (
                lambda features, first, second: second[_predicted(features, first, second)] @ first
            ),
            "this is the gradient of the sum of all logits; only the predicted class's is asked "
            "for.": lambda features, first, second: _of(features, first, second, every_class=True),
            "the values of the hidden units are multiplied in; only whether each is above zero "
            "matters.": lambda features, first, second: (
                (second[_predicted(features, first, second)] * (features @ first.T).relu()) @ first
            ),
        },
    ),
}
