"""The check that stands below every code exercise: ``check(my_function)``."""

from __future__ import annotations

import importlib
import pkgutil

from earlyglow.checks import unknown
from earlyglow_book.classroom import exercises
from earlyglow_book.classroom.checking import Exercise, Function, WrongAnswerError, judge


def all_exercises() -> dict[str, Exercise]:
    """Every code exercise, by the name of the function to write."""
    modules = (module.name for module in pkgutil.iter_modules(exercises.__path__))
    found = [importlib.import_module(f"{exercises.__name__}.{name}") for name in modules]
    return {name: one for module in found for name, one in module.EXERCISES.items()}


def check(answer: Function) -> None:
    """Say whether a function is a right answer to the exercise of its name.

    Raises:
        WrongAnswerError: it is not yet; the message says why.
        ValueError: there is no exercise of that name.
    """
    known = all_exercises()
    if answer.__name__ not in known:
        raise ValueError(unknown("exercise", answer.__name__, known))
    agreed = judge(known[answer.__name__], answer)
    print(f"{answer.__name__} is right: it agrees with another computation on {agreed} cases.")


__all__ = ["WrongAnswerError", "all_exercises", "check"]
