"""What is measured is what is said: equal contenders compute the same, and tables add up."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from earlyglow.experiments import Cost
from earlyglow.experiments.cost import arithmetic_table, contenders, memory_table, speed_table
from earlyglow.experiments.cost.experiment import PLANS
from earlyglow.experiments.cost.measuring import (
    Contender,
    interleaved_times,
    operations,
    peak_memory,
    product_times,
)
from earlyglow.experiments.running import recompute
from earlyglow.experiments.trained_flows import FlowSpec
from earlyglow.gradients.memory import TensorMemory
from earlyglow.store import load, result_folders, working_folder

TINY = FlowSpec("glow", (3, 8, 8), {"levels": 2, "steps": 2, "hidden": 8})


def test_the_straightforward_glow_computes_the_same() -> None:
    flow = contenders.perturbed_flow(TINY, seed=0).double()
    plain = contenders.straightforward(flow)
    assert sum("Unfolded" in type(module).__name__ for module in plain.modules()) == 2 * 2 * 3
    x = torch.rand(3, 3, 8, 8, dtype=torch.float64) - 0.5
    torch.testing.assert_close(plain.log_prob(x), flow.log_prob(x), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 8, 8)])
def test_the_rival_has_the_same_sizes(shape: tuple[int, int, int]) -> None:
    """Levels, steps and hidden channels agree: the networks' wide convolutions are the same."""
    spec = FlowSpec("glow", shape, {"levels": 2, "steps": 3, "hidden": 10})
    ours, theirs = spec.build(0), contenders.normflows_glow(spec)

    def convolutions(model: torch.nn.Module) -> list[tuple[int, ...]]:
        kernels = [tuple(p.shape) for p in model.parameters() if p.dim() == 4]
        return sorted(k for k in kernels if 10 in k[:2] and min(k[:2]) > 1)

    assert convolutions(ours) == convolutions(theirs)
    x = torch.rand(4, *shape) - 0.5
    assert theirs.log_prob(x, None).shape == (4,)


def test_contenders_take_turns_and_the_warm_up_is_left_out() -> None:
    order = []
    made = [Contender(name, 2, lambda name=name: order.append(name)) for name in "ab"]
    times = interleaved_times(made, repetitions=3)
    assert order == ["a", "b"] * 4
    assert times["repetition"].tolist() == [0, 0, 1, 1, 2, 2]
    slow = interleaved_times([Contender("slow", 1, lambda: time.sleep(0.05))], 1)
    assert slow["seconds"].item() == pytest.approx(0.05, abs=0.04)


def test_operations_and_memory_of_a_known_product() -> None:
    a, b = torch.randn(10, 20), torch.randn(20, 30)
    contender = Contender("product", 1, lambda: a @ b)
    assert operations([contender])["operations"].item() == 2 * 10 * 20 * 30
    assert peak_memory([contender])["bytes"].item() == 10 * 30 * 4
    products = product_times(size=8, repetitions=2)
    assert products["operations"].tolist() == [2 * 8**3] * 4


def test_memory_counts_what_lives_at_once() -> None:
    with TensorMemory() as memory:
        first = torch.zeros(100)
        view = first.view(10, 10)
        second = view + 1
        assert memory.live == 800
        del first, view
        assert memory.live == 400
        second.mul_(2)
    assert (memory.live, memory.peak) == (400, 800)


def test_tables_from_known_times() -> None:
    rows = [("c", "loop", 2, 0, 1.0), ("c", "loop", 2, 1, 2.0)]
    rows += [("c", "batched", 8, 0, 0.5), ("c", "batched", 8, 1, 0.5)]
    times = pd.DataFrame(rows, columns=["case", "contender", "images", "repetition", "seconds"])
    speeds = speed_table(times).set_index("contender")
    assert speeds.loc["batched", "images_per_second"] == 16
    assert speeds.loc["loop", ["slowest", "fastest"]].tolist() == [1, 2]
    # Round by round 16/2 and 16/1.
    assert speeds.loc["batched", "times_loop"] == 12
    tables = {
        "times": times,
        "operations": pd.DataFrame(
            {"case": ["c"], "contender": ["batched"], "images": [8], "operations": [8e9]}
        ),
        "products": pd.DataFrame(
            {"precision": ["float32"] * 2, "operations": [1e11] * 2, "seconds": [2.0, 4.0]}
        ),
    }
    (row,) = arithmetic_table(tables).to_dict("records")
    assert row["gflop_per_image"] == 1
    assert row["share_of_peak"] == pytest.approx(16e9 / 5e10)
    assert row["floor_ms"] == pytest.approx(20)
    assert row["best_times_loop"] == pytest.approx(50 / 1.5)


def test_smoke_measures_everything_and_measuring_again_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    first, second = recompute(Cost("smoke")), recompute(Cost("smoke"))
    assert first.key == second.key
    assert not first.tables["times"].equals(second.tables["times"])
    (kept,) = (load(f) for f in result_folders() if f.is_relative_to(working_folder()))
    pd.testing.assert_frame_equal(kept.tables["times"], second.tables["times"])
    times = kept.tables["times"]
    for title, case in PLANS["smoke"].cases.items():
        own = times[times["case"] == title]
        assert set(own.loc[own["contender"] == "batched", "images"]) == set(case.batches)
        assert (own.groupby(["contender", "images"]).size() == case.repetitions).all()
    memory = memory_table(kept.tables["memory"])
    assert (memory.loc["batched"] < memory.loc["vmap"]).all()
    assert (kept.tables["errors"]["q0.5"] > 0).all()
    assert set(kept.tables["detection"]["precision"]) == {"float32", "bf16"}


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(ValueError, match=r"profile is 'classroom'.*smoke, paper"):
        Cost("classroom")
