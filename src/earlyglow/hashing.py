"""Hashes of what things mean: the same for equal values, whatever the order of their keys."""

from __future__ import annotations

import hashlib
import json
import numbers


def plain(value: object) -> int | float:
    """A number of NumPy's as JSON takes it; TypeError for anything else."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{value!r} is not a number that JSON can hold.")


def digest(value: object) -> str:
    """SHA-256 (hexadecimal) of a JSON-like value, independent of the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(canonical.encode()).hexdigest()
