"""The class's leaderboard: each student's reading of the norms, ranked on pairs they have not seen.

A student hands in a Python file with ``score(fit, new)``: from log norms of fit images (N, L) and
of new images (M, L) to scores (M,), higher = more OOD. ID and OOD images come mixed, and the
program that runs the file does not know which is which.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import earlyglow as eg
from earlyglow_book.classroom import flow

Array = NDArray[np.float64]
TIME_LIMIT = 20.0
_RUNNER = Path(__file__).with_name("reading_runner.py")


class EntryError(Exception):
    """A student's file gives no scores; the message says why, in a sentence."""


@dataclass(frozen=True)
class Pair:
    """Log norms of fit images (N, L), and of ID (M, L) and OOD (K, L) images to tell apart."""

    fit: Array
    id_images: Array
    ood_images: Array


def recorded_pairs() -> dict[str, Pair]:
    """Fashion-MNIST against each recorded set, at each epoch of the flow that comes along.

    Tensors without a gradient for some image of the two ID halves are left out.
    """
    pairs = {}
    for epoch in flow.EPOCHS:
        said = {name: one.log_norms.double().numpy() for name, one in flow.recorded(epoch).items()}
        id_images = np.concatenate((said["fit"], said["eval"]))
        kept = np.isfinite(id_images).all(0)
        # What is minus infinity in an OOD image alone is far out, but no student's error.
        least = id_images[:, kept].min() - 10.0
        used = {name: np.maximum(values[:, kept], least) for name, values in said.items()}
        for name in list(flow.RECORDED)[2:]:
            pairs[f"{name}, epoch {epoch:g}"] = Pair(used["fit"], used["eval"], used[name])
    return pairs


def paper_score(fit: Array, new: Array) -> Array:
    """The paper's reading, which an entry should beat: (M,) from (N, L) and (M, L)."""
    variance = fit.var(0, ddof=1)
    return ((new - fit.mean(0)) ** 2 / (2 * variance)).sum(1)


def rank(
    folder: Path | str, pairs: Mapping[str, Pair], time_limit: float = TIME_LIMIT
) -> pd.DataFrame:
    """Run every file of a folder on pairs, each file in a process of its own, and rank them.

    Args:
        folder: holds one ``name.py`` for each student.
        pairs: what the entries are judged on, by name.
        time_limit: seconds that a file may take for all pairs together.

    Returns:
        One row for each file, best first: rank, entry, mean_auroc, worst_auroc, worst_pair,
        problem; files that gave no scores stand last, without a rank. The row "(the paper's
        score)" is there to be beaten.

    Raises:
        ValueError: the folder holds no Python file, or there are no pairs.
    """
    files = sorted(Path(folder).glob("*.py"))
    if not files or not pairs:
        raise ValueError(
            f"there are {len(files)} files that end in .py in {folder} and {len(pairs)} pairs, but "
            "a leaderboard needs at least one of each."
        )
    rows = [_judged(path, pairs, time_limit) for path in files]
    ours = {
        name: paper_score(p.fit, np.vstack((p.id_images, p.ood_images)))
        for name, p in pairs.items()
    }
    rows.append({"entry": "(the paper's score)", **_aurocs(ours, pairs), "problem": ""})
    table = pd.DataFrame(rows).sort_values("mean_auroc", ascending=False, na_position="last")
    places = table["mean_auroc"].rank(ascending=False, method="min").astype("Int64")
    table.insert(0, "rank", places)
    return table.reset_index(drop=True)


def _judged(path: Path, pairs: Mapping[str, Pair], time_limit: float) -> dict[str, object]:
    try:
        return {
            "entry": path.stem,
            **_aurocs(scores_of(path, pairs, time_limit), pairs),
            "problem": "",
        }
    except EntryError as error:
        return {"entry": path.stem, "problem": str(error)}


def _aurocs(scores: Mapping[str, Array], pairs: Mapping[str, Pair]) -> dict[str, object]:
    """Mean and worst AUROC of scores (M + K,) of each pair, ID images first."""
    areas = {}
    for name, pair in pairs.items():
        count = len(pair.id_images)
        areas[name] = eg.auroc(scores[name][:count], scores[name][count:])
    worst = min(areas, key=lambda name: areas[name])
    mean = float(np.mean(list(areas.values())))
    return {"mean_auroc": mean, "worst_auroc": areas[worst], "worst_pair": worst}


def scores_of(path: Path, pairs: Mapping[str, Pair], time_limit: float) -> dict[str, Array]:
    """A file's scores (M + K,) of each pair, ID images first; they were shown to it mixed.

    Raises:
        EntryError: the file fails, takes too long, or returns something else than scores.
    """
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(p.id_images) + len(p.ood_images)) for p in pairs.values()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (pair, order) in enumerate(zip(pairs.values(), orders, strict=True)):
            mixed = np.vstack((pair.id_images, pair.ood_images))[order]
            np.savez(folder / f"given-{number}.npz", fit=pair.fit, new=mixed)
        _run(path, folder, len(pairs), time_limit)
        found = {}
        for number, (pair_name, order) in enumerate(zip(pairs, orders, strict=True)):
            scores = _read_scores(folder / f"scores-{number}.npy")
            _require_scores(scores, len(order))
            found[pair_name] = scores[np.argsort(order)]
    return found


def _run(path: Path, folder: Path, count: int, time_limit: float) -> None:
    """Run a file in a process that gets no more of this one than the arrays."""
    command = [sys.executable, str(_RUNNER), str(path.resolve()), str(folder), str(count)]
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "HOME": str(folder)}
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EntryError(f"it took longer than {time_limit:g} seconds, and was stopped.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise EntryError(last)


def _read_scores(path: Path) -> Array:
    if not path.is_file():
        raise EntryError("it ended before it gave scores for every pair.")
    return np.asarray(np.load(path, allow_pickle=False))


def _require_scores(scores: Array, count: int) -> None:
    if scores.shape != (count,):
        raise EntryError(
            f"score returned shape {scores.shape}, but {count} images need ({count},)."
        )
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise EntryError(f"score returned {bad} values that are NaN or infinite.")
