"""Run one student's file on stored arrays: ``reading_runner.py FILE FOLDER COUNT``.

A program of its own, which imports nothing of the package, so that it starts at once.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np


def main(file: str, folder: str, count: str) -> None:
    """Write ``scores-i.npy`` for each ``given-i.npz`` in the folder."""
    score = runpy.run_path(file).get("score")
    if not callable(score):
        sys.exit("the file defines no function score(fit, new).")
    for number in range(int(count)):
        with np.load(Path(folder) / f"given-{number}.npz") as given:
            scores = score(given["fit"], given["new"])
        np.save(
            Path(folder) / f"scores-{number}.npy", np.asarray(scores, float), allow_pickle=False
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
