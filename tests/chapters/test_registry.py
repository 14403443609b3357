"""Every experiment names the source that its numbers depend on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from earlyglow.experiments.registry import EXPERIMENTS
from earlyglow.provenance import PACKAGE

# What carries numbers from place to place, names things or refuses bad values, and makes none.
CARRIERS = {
    "allocator.py",
    "cache.py",
    "experiments/claim.py",
    "experiments/compared_sets.py",
    "experiments/profiles.py",
    "experiments/running.py",
    "image_checks.py",
    "progress.py",
    "provenance.py",
    "settings.py",
    "store.py",
    "titles.py",
}

# What a module on the path imports for another part of itself.
FOR_OTHER_PARTS = {
    "gradient_short_circuit": {
        "experiments/epoch_sweep.py",
        "experiments/short_circuit/cost.py",
        "experiments/statistics.py",
    },
    "short_circuit_cost": {
        "experiments/epoch_sweep.py",
        "experiments/paired.py",
        "experiments/short_circuit/ablations.py",
        "experiments/short_circuit/mean_areas.py",
        "experiments/summaries.py",
        "experiments/sweep_tables.py",
        "gradients/memory.py",
        "gradients/model_state.py",
        "training/config.py",
    },
}


def imported(file: Path) -> Iterator[str]:
    """Modules of the package that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("earlyglow"):
            for alias in node.names:
                for name in (f"{node.module}.{alias.name}", str(node.module)):
                    path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
                    if path.is_file():
                        yield path.relative_to(PACKAGE).as_posix()
                        break


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_source_of_an_experiment_is_closed(name: str) -> None:
    parts = tuple(p if p.endswith(".py") else f"{p}/" for p in EXPERIMENTS[name].source_path)
    by_path = {file.relative_to(PACKAGE).as_posix(): file for file in PACKAGE.rglob("*.py")}
    others = {
        other
        for path, file in by_path.items()
        if path.startswith(parts)
        for other in imported(file)
        if not other.startswith(parts)
    }
    assert others, "every experiment imports at least the store"
    assert others <= CARRIERS | FOR_OTHER_PARTS.get(name, set())
