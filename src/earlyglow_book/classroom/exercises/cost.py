"""When two Gram matrices are cheaper than the gradient."""

from __future__ import annotations

from earlyglow_book.classroom.checking import Exercise


def _ratio(positions: int, patch: int, outputs: int) -> float:
    """Harmonic-mean form of P (patch + outputs) / (patch · outputs)."""
    return positions * (1 / patch + 1 / outputs)


EXERCISES = {
    "gram_cost": Exercise(
        truth=_ratio,
        cases=lambda: [(196, 18, 48), (16, 4608, 512), (1, 10, 10), (49, 72, 512)],
        mistakes={
            "each of the two Gram matrices has P² entries, and each entry costs as many products "
            "as the vectors are long; the length is missing.": lambda positions, patch, outputs: (
                2 * positions**2 / (positions * patch * outputs)
            ),
            "this is the gradient's cost by that of the Gram matrices; the other way round is "
            "asked for.": lambda positions, patch, outputs: 1 / _ratio(positions, patch, outputs),
            "the gradient is a sum over all positions, so that it costs P times as much as one "
            "outer product.": lambda positions, patch, outputs: (
                positions * _ratio(positions, patch, outputs)
            ),
        },
    ),
}
