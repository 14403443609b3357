"""What is measured is what is said: equal contenders compute the same, and tables add up."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from earlyglow.gradients.memory import TensorMemory
from earlyglow_book.chapters.cost import PLANS, Cost, PeersCost, comparison
from earlyglow_book.chapters.cost.figures import growth_of
from earlyglow_book.chapters.cost.growth import Growth, exponents, growth_table
from earlyglow_book.chapters.cost.measuring import (
    Contender,
    interleaved_times,
    operations,
    peak_memory,
    product_times,
)
from earlyglow_book.chapters.cost.peers_table import peer_words, peers_table
from earlyglow_book.chapters.cost.tables import (
    _floors,
    arithmetic_table,
    memory_table,
    speed_table,
    words,
)
from earlyglow_book.experiment import recompute
from earlyglow_book.flow_runs.flows import FlowSpec
from earlyglow_book.results import load, result_folders, working_folder

TINY = FlowSpec("glow", (3, 8, 8), {"levels": 2, "steps": 2, "hidden": 8})


def test_the_straightforward_glow_computes_the_same() -> None:
    flow = comparison.measuring.perturbed(TINY.build(0)).double()
    plain = comparison.straightforward(flow)
    assert sum("Unfolded" in type(module).__name__ for module in plain.modules()) == 2 * 2 * 3
    x = torch.rand(3, 3, 8, 8, dtype=torch.float64) - 0.5
    torch.testing.assert_close(plain.log_prob(x), flow.log_prob(x), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 8, 8)])
def test_the_rival_has_the_same_sizes(shape: tuple[int, int, int]) -> None:
    """Levels, steps and hidden channels agree: the networks' wide convolutions are the same."""
    spec = FlowSpec("glow", shape, {"levels": 2, "steps": 3, "hidden": 10})
    ours, theirs = spec.build(0), comparison.normflows_glow(spec)

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
    x, weight = torch.randn(4, 4, 16, 16), torch.randn(4, 4, 3, 3)
    convolution = Contender("convolution", 4, lambda: F.conv2d(x, weight, padding=1))
    (counted,) = operations([convolution])["operations"]
    assert products["operations"].tolist() == [2 * 8**3, 2 * 8**3, counted, counted] * 2


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


def test_the_floor_is_compared_with_the_rivals_fastest_batch() -> None:
    """At 4 ms an image the machine's peak would allow 250 images/s, five times the rival's 50."""
    cases = ("paper Glow", "classroom Glow")
    floor = pd.Series({(case, "training step"): 4.0 for case in cases})
    speeds = pd.DataFrame(
        [
            {"case": case, "contender": "normflows", "images": n, "images_per_second": rate}
            for case in cases
            for n, rate in ((8, 20.0), (64, 50.0))
        ]
    )
    found = _floors(speeds, floor)
    assert found == {"cost_normflows_floor": "5.0", "cost_normflows_classroom_floor": "5.0"}


def paper_tables() -> dict[str, pd.DataFrame]:
    """Two rounds in which our contenders take a second, and the others what is said here."""
    seconds = {
        "paper DenseGlow": {"loop": 40.0},
        "classroom Glow": {"loop": 10.0, "normflows": 1.5},
        "paper Glow": {"loop": 4.0, "normflows": 3.0},
    }
    ours = ("batched", "batched bf16", "training step")
    rows = [
        {"case": case, "contender": name, "images": 10, "repetition": i, "seconds": s}
        for case, others in seconds.items()
        for name, s in {**dict.fromkeys(ours, 1.0), **others}.items()
        for i in range(2)
    ]
    counted = [
        {"case": case, "contender": name, "images": 10, "operations": 2e9}
        for case in seconds
        for name in ("batched", "training step")
    ]
    memory = [
        {"case": case, "contender": name, "images": 10, "bytes": b}
        for case in seconds
        for name, b in (("vmap", 10 * 2**20), ("batched", 9 * 2**20))
    ]
    detection = [
        {"ood": ood, "precision": precision, "auroc": auroc}
        for ood, values in {"a": (0.7, 0.71), "b": (0.7, 0.68)}.items()
        for precision, auroc in zip(("float32", "bf16"), values, strict=True)
    ]
    products = {
        "precision": ["float32", "float32", "bf16"],
        "operations": [1e10] * 3,
        "seconds": [1.0, 2.0, 4.0],
    }
    return {
        "times": pd.DataFrame(rows),
        "operations": pd.DataFrame(counted),
        "products": pd.DataFrame(products),
        "memory": pd.DataFrame(memory),
        "detection": pd.DataFrame(detection),
    }


def test_ratios_of_times_and_the_targets_they_meet() -> None:
    found = words(paper_tables())
    assert (found["cost_dense"], found["cost_classroom"]) == ("40", "10.0")
    assert (found["cost_paper"], found["cost_normflows"]) == ("4.0", "3.00")
    assert found["cost_normflows_classroom"] == "1.50"
    # The bf16 norms of both paper models, one training step, and three memories miss.
    assert found["cost_met"] == "7 of 13"
    assert found["cost_classroom_bf16"] == "10.0"
    assert "training step, classroom Glow" in found["cost_missed"]
    assert found["cost_bf16_auroc"] == "0.020"
    assert found["cost_bf16_products"] == "0.25"
    # 2e9 operations of ten images at 1e10 a second: .2 s at the peak, 1 s as measured.
    assert found["cost_paper_share"] == "20%"
    assert found["cost_paper_floor"] == "20.0"
    # A pass that is faster than every product alone is the peak itself.
    tables = paper_tables()
    tables["products"]["operations"] /= 10
    assert words(tables)["cost_paper_share"] == "100%"
    assert found["cost_dense_floor"] == "200"


def test_exponents_are_those_of_known_growth() -> None:
    powers = {"images": 1.0, "image side": 2.0, "steps of flow": 0.5}
    times = pd.DataFrame(
        [
            {"contender": name, "images": images if name == "batched norms" else 2}
            | {"quantity": quantity, "value": value, "repetition": repetition}
            | {"seconds": 3.0 * value**power}
            for quantity, power in powers.items()
            for value in (2, 4, 8)
            for images in [value if quantity == "images" else 8]
            for name in ("batched norms", "loop")
            for repetition in range(3)
        ]
    )
    found = exponents(growth_table(times))
    for quantity, power in powers.items():
        assert found["batched norms", quantity] == pytest.approx(power)
    # The loop's seconds are of two images, and of as many as the others have four times as much.
    table = growth_table(times).set_index(["contender", "quantity", "value"])["seconds"]
    assert table["loop", "image side", 2] == pytest.approx(4 * 3.0 * 2**2)
    assert found["loop", "images"] == pytest.approx(2.0)


def test_growth_changes_one_quantity_at_a_time() -> None:
    """Shapes and sizes of the flows and batches that are timed, and a loop of the same flow."""
    seen = {}
    for quantity, value, contenders in Growth(profile="smoke")._calls():
        seen[quantity, value] = {c.name: c.images for c in contenders}
    assert seen["images", 4] == {"batched norms": 4, "loop": 4, "training step": 4}
    assert seen["hidden channels", 16] == {"batched norms": 8, "loop": 4, "training step": 8}
    assert seen["images in a group", 2] == {"batched norms": 8}
    result = recompute(Growth(profile="smoke"))
    assert set(result.tables["times"]["quantity"]) == {quantity for quantity, _ in seen}


def test_other_packages_are_compared_with_the_loop_in_double_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stand-ins for packages: one is exact, one covers a tensor and is wrong, one refuses."""
    peers = importlib.import_module("earlyglow_book.chapters.cost.peers")

    def half(model: torch.nn.Module) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
        exact = peers.PEERS["loop"](model)

        def norms(x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {name: 1.5 * value for name, value in list(exact(x).items())[:1]}

        return norms

    def refuse(model: torch.nn.Module) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
        raise NotImplementedError("buffers")

    tried = {"loop": peers.PEERS["loop"], "half": half, "refuse": refuse}
    monkeypatch.setattr(peers, "PEERS", tried)
    monkeypatch.setattr(peers, "PACKAGES", ())
    table = peers.measured("smoke", seed=0).tables["peers"]
    for _, rows in table.groupby("model"):
        own = rows.set_index("package")
        assert own.loc["loop", "tensors"] == own.loc["loop", "of"]
        assert own.loc["loop", "worst_error"] < 1e-4
        assert own.loc["half", "tensors"] == 1
        assert own.loc["half", "worst_error"] == pytest.approx(0.5, abs=1e-4)
        assert (own.loc["refuse", "tensors"], own.loc["refuse", "refusal"]) == (0, "buffers")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="make bench-peers"):
        PeersCost(profile="smoke").compute(Path())


def test_packages_in_a_table_for_readers() -> None:
    rows = [
        ("loop", 9, 1.2e-7, 33.4),
        ("Opacus", 0, None, None),
        ("BackPACK", 2, 3e-1, 4.0),
    ]
    columns = ["package", "tensors", "worst_error", "images_per_second"]
    measured = pd.DataFrame(rows, columns=columns).assign(model="Glow", of=9)
    table = peers_table(measured).loc["Glow"]
    assert table.loc["loop"].tolist() == ["9 of 9", "1e-07", "33"]
    assert table.loc["Opacus"].tolist() == ["0 of 9", "refused", ""]
    assert table.loc["BackPACK", "largest relative error"] == "3e-01"
    assert peer_words(measured) == {"peers_backpack_tensors": "2", "peers_of": "9"}


def test_a_quantity_looks_alike_in_every_panel() -> None:
    """Also where a panel lacks one of them."""
    quantities = {
        "batched norms": ("images", "groups", "side"),
        "training step": ("images", "side"),
    }
    table = pd.DataFrame(
        [
            {"contender": name, "quantity": quantity, "value": value, "seconds": float(value)}
            for name, own in quantities.items()
            for quantity in own
            for value in (1, 2, 4)
        ]
    )
    left, right = growth_of(table, list(quantities)).axes
    colours = {str(line.get_label()): line.get_color() for line in right.get_lines()}
    for line in left.get_lines():
        name = str(line.get_label()).split(" (")[0]
        assert colours.get(name, line.get_color()) == line.get_color()
