"""Checks shared by the frozen configurations: unknown names and bad values are refused by name."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist, with the closest one that does."""
    known = list(known)
    spelt = {other.lower(): other for other in known}
    close = difflib.get_close_matches(str(name).lower(), spelt, n=1)
    suggestion = f" Did you mean {spelt[close[0]]!r}?" if close else ""
    return f"there is no {kind} {name!r}; there are: {', '.join(known)}.{suggestion}"


def require_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, but it must be one of {', '.join(choices)}.")


def require_least(name: str, value: float, least: float) -> None:
    """Raise ValueError unless ``value`` is a number of at least ``least``."""
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not math.inf > value >= least
    ):
        raise ValueError(f"{name} is {value!r}, but it must be a number of at least {least}.")


def require_share(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is a number strictly between 0 and 1."""
    if not isinstance(value, numbers.Real) or not 0 < float(value) < 1:
        raise ValueError(f"{name} is {value!r}, but it must lie between 0 and 1.")


def require_part(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is a number above 0 and at most 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) <= 1:
        raise ValueError(f"{name} is {value!r}, but it must be a number above 0 and at most 1.")


def require_positive(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is a finite number above 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not 0 < float(value) < math.inf
    ):
        raise ValueError(f"{name} is {value!r}, but it must be a finite number above 0.")


def require_flag(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is true or false: "no" would count as true."""
    if not isinstance(value, bool | int) or value not in (0, 1):
        raise ValueError(f"{name} is {value!r}, but it must be True or False.")


def require_whole(name: str, value: object, least: int) -> None:
    """Raise ValueError unless ``value`` is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} is {value!r}, but it must be a whole number of at least {least}.")
