"""The numbers that the chapters on GSC and on costs quote, from made-up tables."""

from __future__ import annotations

import pandas as pd

from earlyglow import findings
from earlyglow.experiments import ShortCircuit
from earlyglow.experiments.claim import Claim
from earlyglow.findings.cost import _floors
from earlyglow.store import Tables

CONFIG = ShortCircuit("fashion_mnist", profile="smoke")


def means(less: float) -> pd.DataFrame:
    """MSP is the best, GSC better than the plain energy by ``less``, or worse, surely."""
    rows = [("MSP", 0.9, 0.0), ("Energy", 0.6, less), ("GSC", 0.6 + less, 0.0)]
    # Two that check others: they have no place of their own.
    rows += [("GSC (exact)", 0.8, 0.0), ("GradNorm (closed form)", 0.8, 0.0)]
    table = pd.DataFrame(rows, columns=["detector", "auroc", "gsc_less"])
    return table.assign(
        low=table["auroc"] - 0.1,
        high=table["auroc"] + 0.1,
        gsc_less_low=table["gsc_less"] - 0.01,
        gsc_less_high=table["gsc_less"] + 0.01,
    )


def classifier(less: float, accuracy_change: float) -> Tables:
    accuracy = pd.DataFrame({"detector": ["GSC"], "change": [accuracy_change]})
    return {"means": means(less), "accuracy": accuracy, "ablation": ablation()}


def ablation() -> pd.DataFrame:
    """Two OOD sets; only zeroing 5 % exactly at the study's place counts, and no cut at all."""
    place = CONFIG.split_at
    rows = [
        (place, 0.05, "zero", True, "gradient", 0.7),
        (place, 0.05, "zero", True, "gradient", 0.8),
        (place, 0.05, "zero", True, "random", 0.5),
        (place, 0.05, "zero", True, "random", 0.5),
        (place, 0.05, "zero", False, "gradient", 9.0),
        (place, 0.05, "mean", True, "gradient", 9.0),
        (place, 0.2, "zero", True, "gradient", 9.0),
        ("elsewhere", 0.05, "zero", True, "gradient", 9.0),
        ("nowhere", 0.0, "none", True, "none", 0.55),
        ("nowhere", 0.0, "none", True, "none", 0.65),
    ]
    names = ["at", "fraction", "intervention", "exact", "importance", "auroc"]
    return pd.DataFrame(rows, columns=names).assign(n_id=1500)


def tables() -> Tables:
    order = pd.DataFrame(
        {"at": ["early", "late"], "fraction": [0.05, 0.2], "change": [0.01, -0.03]}
    ).assign(low=-0.05, high=0.02)
    return {
        "classifier": pd.DataFrame({"accuracy": [0.9125]}),
        "means": means(0.1),
        "ablation": ablation(),
        "order": order,
    }


def both() -> pd.DataFrame:
    aurocs = {"auroc flow gradients": [None, 0.6, 0.8], "auroc GSC": [None, 0.5, 0.7]}
    correlations = {"correlation": [0.2, 9, 9], "correlation_low": [0.1, 9, 9]}
    correlations["correlation_high"] = [0.3, 9, 9]
    names = {"dataset": [CONFIG.id_dataset, "mnist", "kmnist"]}
    return pd.DataFrame(names | aurocs | {"auroc both": [None, 0.9, 0.9]} | correlations)


def claims() -> list[Claim]:
    return [Claim("", "", "", f"number {i}", f"verdict {i}") for i in range(5)]


def test_the_place_of_gsc_and_what_its_parts_bring() -> None:
    classifiers = {
        CONFIG: classifier(0.1, -0.02),
        ShortCircuit("fashion_mnist", profile="smoke", seed=1): classifier(-0.2, -0.05),
        ShortCircuit("fashion_mnist", profile="smoke", seed=2): classifier(0.0, 0.01),
    }
    found = findings.gradient_short_circuit(CONFIG, tables(), claims(), classifiers, both())
    assert (found["beats_number"], found["cost_verdict"]) == ("number 1", "verdict 4")
    assert (found["classifiers"], found["better_on"], found["worse_on"]) == ("3", "1", "1")
    assert found["accuracy_lost"] == "-0.01 to 0.05"
    assert found["changes"].startswith("0.100 [0.090, 0.110] (Fashion-MNIST, seed 0), -0.200 [")
    assert (found["best_name"], found["rank"]) == ("MSP", "2 of 3")
    assert (found["gsc"], found["uncut"]) == ("0.700 [0.600, 0.800]", "0.600 [0.500, 0.700]")
    assert (found["better_sets"], found["worse_sets"]) == ("Fashion-MNIST", "Fashion-MNIST")
    assert found["choices"] == "gradient 0.750, random 0.500"
    assert found["gradient_best"] == "3"
    assert (found["few_uncut"], found["few"]) == ("0.600", "1,500")
    assert (found["order_worst"], found["order_worst_place"]) == ("-0.030 [-0.050, 0.020]", "late")
    assert found["order_worst_fraction"] == "20%"
    assert (found["correlation"], found["shared"]) == ("0.200 [0.100, 0.300]", "2")
    bridge = [found[f"bridge_{name}"] for name in ("flow", "GSC", "both")]
    assert bridge == ["0.700", "0.600", "0.900"]
    assert found["test_accuracy"] == "91.2 %"


def test_no_published_classifier_is_said() -> None:
    found = findings.gradient_short_circuit(CONFIG, tables(), claims(), {}, both())
    assert (found["changes"], found["accuracy_lost"]) == ("none published", "not measured")
    assert (found["better_sets"], found["gradient_best"]) == ("none", "0")


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
    products = {"precision": ["float32"], "operations": [1e10], "seconds": [1.0]}
    return {
        "times": pd.DataFrame(rows),
        "operations": pd.DataFrame(counted),
        "products": pd.DataFrame(products),
        "memory": pd.DataFrame(memory),
        "detection": pd.DataFrame(detection),
    }


def test_ratios_of_times_and_the_targets_they_meet() -> None:
    found = findings.cost(paper_tables())
    assert (found["cost_dense"], found["cost_classroom"]) == ("40", "10.0")
    assert (found["cost_paper"], found["cost_normflows"]) == ("4.0", "3.00")
    assert found["cost_normflows_classroom"] == "1.50"
    # Of twelve: the bf16 norms of both paper models, one training step, and three memories miss.
    assert found["cost_met"] == "6 of 12"
    assert "training step, classroom Glow" in found["cost_missed"]
    assert found["cost_bf16_auroc"] == "0.020"
    # 2e9 operations of ten images at 1e10 a second: .2 s at the peak, 1 s as measured.
    assert found["cost_paper_share"] == "20%"
    assert found["cost_paper_floor"] == "20.0"
    assert found["cost_dense_floor"] == "200"
