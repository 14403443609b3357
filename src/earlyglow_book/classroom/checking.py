"""How an answer to a code exercise is judged: right, not yet written, or wrong for a reason."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earlyglow.metrics import to_float64

Function = Callable[..., object]
Case = tuple[object, ...]
_SHOWN = 60


class WrongAnswerError(AssertionError):
    """An answer that is not right yet; the message says why."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the reason, without a traceback through the checks."""
        return [f"Not yet: {self}"]


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    Attributes:
        truth: a function that is right, written in another way than the exercise asks for where
            there is one.
        cases: the arguments on which an answer is compared with it.
        mistakes: typical wrong answers, by what to say to whoever wrote one.
        tolerance: the largest relative difference that counts as right.
    """

    truth: Function
    cases: Callable[[], Sequence[Case]]
    mistakes: Mapping[str, Function]
    tolerance: float = 1e-4


def judge(exercise: Exercise, answer: Function) -> int:
    """Compare an answer with the truth; return on how many cases they agree.

    Raises:
        WrongAnswerError: they do not agree, or the answer fails, changes its input, or is blank.
    """
    cases = exercise.cases()
    wrong = [case for case in cases if not _is_right(exercise, answer, case)]
    if not wrong:
        return len(cases)
    for reason, mistake in exercise.mistakes.items():
        if all(_same(answer(*_own(c)), mistake(*_own(c)), exercise.tolerance) for c in cases):
            raise WrongAnswerError(reason)
    raise WrongAnswerError(_difference(exercise, answer, wrong[0]))


def _is_right(exercise: Exercise, answer: Function, case: Case) -> bool:
    """Whether the answer is right on one case; what is no answer at all is refused."""
    given = _own(case)
    try:
        value = answer(*given)
    except Exception as error:
        raise WrongAnswerError(
            f"{_call(answer, case)} raised {type(error).__name__}: {error}."
        ) from error
    if value is None or value is ...:
        raise WrongAnswerError(
            f"{answer.__name__} returns nothing; write its body, and return the result."
        )
    if not _same(given, case, 0.0):
        raise WrongAnswerError(
            f"{answer.__name__} changes what it was given: after the call its argument is another "
            "one, so whoever calls it twice gets two results; work on a copy."
        )
    return _same(value, exercise.truth(*_own(case)), exercise.tolerance)


def _difference(exercise: Exercise, answer: Function, case: Case) -> str:
    value, truth = answer(*_own(case)), exercise.truth(*_own(case))
    shapes = [a.shape for a in _arrays(value)], [a.shape for a in _arrays(truth)]
    if shapes[0] != shapes[1]:
        return f"{_call(answer, case)} has shape {shapes[0]}, but {shapes[1]} is asked for."
    if _fits(value) and _fits(truth):
        return f"{_call(answer, case)} is {_short(value)}, but it should be {_short(truth)}."
    return f"{_call(answer, case)} is {_first_difference(exercise, value, truth)}."


def _first_difference(exercise: Exercise, value: object, truth: object) -> str:
    """What stands in the first place at which two results of the same shapes differ."""
    for given, right in zip(_arrays(value), _arrays(truth), strict=True):
        equal = np.isclose(given, right, exercise.tolerance, exercise.tolerance, equal_nan=True)
        for place in np.argwhere(~equal)[:1]:
            at = tuple(place.tolist())
            where = f"at place {at[0] if len(at) == 1 else at}"
            return f"{given[at]:.4g} {where}, but it should be {right[at]:.4g} there"
    raise AssertionError("two results differ, but no place was found at which they do.")


def _call(answer: Function, case: Case) -> str:
    names = inspect.signature(answer).parameters
    given = [f"{n}={_short(v)}" for n, v in zip(names, case, strict=False)]
    return f"{answer.__name__}({', '.join(given)})"


def _short(value: object) -> str:
    return ", ".join(
        _numbers(array) if _fits(array) else f"an array of shape {array.shape}"
        for array in _arrays(value)
    )


def _fits(value: object) -> bool:
    """Whether all of it is short enough to be shown in a message."""
    return all(a.ndim < 2 and len(_numbers(a)) <= _SHOWN for a in _arrays(value))


def _numbers(array: NDArray[np.float64]) -> str:
    return np.array2string(array, precision=4, separator=", ", threshold=8)


def _own(case: Case) -> Case:
    return copy.deepcopy(case)


def _same(value: object, truth: object, tolerance: float) -> bool:
    """Whether two values have the same shapes and, up to a relative difference, numbers."""
    values, truths = _arrays(value), _arrays(truth)
    return len(values) == len(truths) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        for a, b in zip(values, truths, strict=True)
    )


def _arrays(value: object) -> list[NDArray[np.float64]]:
    """Numbers, arrays and tensors, alone or in a tuple; what is none of these is no number."""
    parts = value if isinstance(value, tuple) else (value,)
    try:
        return [to_float64(part) for part in parts]
    except (TypeError, ValueError) as error:
        raise WrongAnswerError(
            f"the result is of type {type(value).__name__}, but a number, an array or a tensor is "
            "asked for."
        ) from error
