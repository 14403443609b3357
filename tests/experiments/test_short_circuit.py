"""The comparison of Gradient Short-Circuit, piece by piece against scikit-learn and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import nn

from earlyglow.classifiers import predicted_logits
from earlyglow.experiments import EpochSweep, ShortCircuit, ShortCircuitCost
from earlyglow.experiments.short_circuit import bridge, claims
from earlyglow.experiments.short_circuit.ablations import (
    IMPORTANCES,
    Variant,
    ablation_tables,
    variants,
)
from earlyglow.experiments.short_circuit.contenders import (
    GRAD_NORM_CLOSED_FORM,
    in_chunks,
    on_features,
    on_images,
    scores_of,
)
from earlyglow.experiments.short_circuit.experiment import GSC, GSC_EXACT, penultimate
from earlyglow.experiments.short_circuit.image_sets import labels_of_scored, sets_to_score
from earlyglow.experiments.short_circuit.sizes import find_sizes, trained_classifier
from earlyglow.short_circuit import split
from earlyglow.store import Computed


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def model(workspace: Path) -> nn.Module:
    return trained_classifier("digits", find_sizes("smoke"), 0, workspace).model


@pytest.fixture(scope="module")
def sets() -> dict[str, torch.Tensor]:
    return sets_to_score("digits", ("textures", "uniform_noise", "gaussian_noise"), 60, seed=0)


@pytest.fixture(scope="module")
def computed(workspace: Path) -> Computed:
    return ShortCircuit("digits", profile="smoke").compute(workspace)


def test_images_are_those_that_the_flow_scores(sets: dict[str, torch.Tensor]) -> None:
    of_sweep = EpochSweep("digits", profile="smoke").load_sets()
    for name in ("digits", "textures"):
        levels = ((sets[name] + 0.5) * 256).round().to(torch.uint8)
        shared = min(len(levels), len(of_sweep[name]))
        assert shared > 30
        assert torch.equal(levels[:shared], of_sweep[name].images[:shared])


def test_noise_is_what_its_name_says(sets: dict[str, torch.Tensor]) -> None:
    uniform, gaussian = sets["uniform_noise"], sets["gaussian_noise"]
    assert uniform.shape == gaussian.shape == (60, 1, 8, 8)
    values = uniform.flatten().numpy()
    assert stats.kstest(values, "uniform", (-0.5, 1)).pvalue > 0.01
    assert gaussian.mean().abs() < 0.02
    # Clipping takes a little of the deviation of 64 grey levels.
    assert 0.21 < gaussian.std() < 0.25
    again = sets_to_score("digits", ("uniform_noise",), 60, seed=0)
    assert torch.equal(again["uniform_noise"], uniform)


def test_scores_of_features_are_scores_of_images(
    model: nn.Module, sets: dict[str, torch.Tensor]
) -> None:
    cut = penultimate(model, "digits")
    x = torch.cat((sets["digits"][:10], sets["textures"][:10]))
    features = in_chunks(cut.body, x)
    images = on_images(model, cut)
    for name, detector in on_features(cut).items():
        torch.testing.assert_close(
            scores_of(detector, model, features),
            scores_of(images[name], model, x),
            rtol=1e-3,
            atol=1e-4,
            msg=name,
        )


def test_closed_form_of_grad_norm(model: nn.Module, sets: dict[str, torch.Tensor]) -> None:
    detectors = on_images(model, penultimate(model, "digits"))
    by_backward = scores_of(detectors["GradNorm"], model, sets["digits"])
    closed = scores_of(detectors[GRAD_NORM_CLOSED_FORM], model, sets["digits"])
    ratios = closed / by_backward
    # The library differentiates the mean over classes, the closed form the sum over them.
    torch.testing.assert_close(ratios, torch.full_like(ratios, ratios[0].item()), rtol=1e-3, atol=0)


def test_energy_row_by_hand(
    computed: Computed, model: nn.Module, sets: dict[str, torch.Tensor]
) -> None:
    energies = {
        name: -torch.logsumexp(predicted_logits(model, sets[name]).double(), 1).numpy()
        for name in ("digits", "textures")
    }
    labels = np.repeat([0, 1], [len(energies["digits"]), len(energies["textures"])])
    expected = roc_auc_score(labels, np.concatenate([*energies.values()]))
    table = computed.tables["aurocs"]
    row = table[(table["detector"] == "Energy") & (table["ood"] == "textures")]
    assert row["auroc"].item() == pytest.approx(expected, abs=1e-4)


def test_accuracy_before_and_after(
    computed: Computed, model: nn.Module, sets: dict[str, torch.Tensor]
) -> None:
    labels = labels_of_scored("digits", sets)
    right = (predicted_logits(model, sets["digits"]).argmax(1) == labels).double().mean().item()
    table = computed.tables["accuracy"].set_index("detector")["accuracy"]
    assert table["no intervention"] == pytest.approx(right)
    assert set(table.index) == {"no intervention", GSC, GSC_EXACT}


def test_an_affine_head_has_no_first_order_error(computed: Computed) -> None:
    errors = computed.tables["first_order"]
    assert errors.loc[errors["at"] == "pool", "relative_error"].max() < 1e-5
    assert errors.loc[errors["at"] == "stage1", "relative_error"].max() > 1e-2
    ablation = computed.tables["ablation"]
    pool = ablation[ablation["at"] == "pool"].pivot_table(
        index=["fraction", "ood"], columns="exact", values="auroc", observed=True
    )
    np.testing.assert_allclose(pool[False], pool[True], atol=5e-3)


def test_every_variant_is_in_the_tables(computed: Computed) -> None:
    places = ("stage1", "stage2", "pool")
    wanted = variants(places, "stage2")
    assert len(set(wanted)) == len(wanted) == len(computed.tables["after"])
    keys = ["at", "fraction", "intervention", "importance", "exact"]
    assert len(computed.tables["ablation"].drop_duplicates(keys)) == len(wanted)


def test_importances_choose_what_they_say() -> None:
    features = torch.tensor([[1.0, -5.0, 2.0, 0.5]])
    gradient = torch.tensor([[-3.0, 0.1, 1.0, 2.0]])
    first = {name: of(features, gradient).argmax().item() for name, of in IMPORTANCES.items()}
    assert first["gradient"] == 0
    assert first["activation"] == 1
    assert first["gradient x activation"] == 2
    many = torch.zeros(2000, 4)
    counts = IMPORTANCES["random"](many, many).argmax(1).bincount()
    assert counts.min() > 400


def test_cutting_everything_leaves_one_answer(
    model: nn.Module, sets: dict[str, torch.Tensor]
) -> None:
    everything = Variant("pool", 1.0, exact=True)
    tables = ablation_tables(
        model,
        {name: sets[name] for name in ("digits", "textures")},
        "digits",
        labels_of_scored("digits", sets),
        (everything,),
    )
    assert tables["ablation"]["auroc"].tolist() == [0.5]


def test_consistency_is_by_set_and_noise(computed: Computed) -> None:
    table = computed.tables["consistency"]
    assert len(table) == 3 * 3 * 2
    assert (table["mean"] <= 1 + 1e-6).all()
    held = table[table["classes"] == "kept"].set_index(["dataset", "noise"])["mean"]
    own = table[table["classes"] == "own"].set_index(["dataset", "noise"])["mean"]
    assert (held >= own - 1e-6).mean() > 0.8


def test_cost_has_everybody_in_every_round(workspace: Path) -> None:
    times = ShortCircuitCost("digits", profile="smoke").compute(workspace).tables["times"]
    rounds = times.groupby("repetition")["contender"].agg(set)
    assert all(names == rounds.iloc[0] for names in rounds)
    assert {"forward", "ODIN", "GSC at stage2", "GSC (exact) at pool"} <= rounds.iloc[0]
    ratios = claims.relative_times(times)
    assert "forward" not in set(ratios["contender"])
    assert (ratios["low"] <= ratios["ratio"]).all()


def test_relative_times_are_taken_round_by_round() -> None:
    times = pd.DataFrame(
        {
            "contender": ["forward", "a"] * 3,
            "repetition": [0, 0, 1, 1, 2, 2],
            "seconds": [1.0, 2.0, 10.0, 30.0, 1.0, 4.0],
        }
    )
    assert claims.relative_times(times)["ratio"].tolist() == [3.0]


def test_bridge_by_hand() -> None:
    rng = np.random.default_rng(0)
    flow = {"id": rng.normal(5, 2, 100), "ood": rng.normal(8, 2, 80)}
    classifier = {"id": rng.normal(-3, 0.1, 120), "ood": rng.normal(-2.9, 0.1, 90)}
    frames = [
        pd.concat([pd.DataFrame({"dataset": name, "score": v}) for name, v in scores.items()])
        for scores in (flow, classifier)
    ]
    table = bridge.bridge(*frames, id_dataset="id").set_index("dataset")
    fit = [scores["id"][:50] for scores in (flow, classifier)]
    held_out = [scores["id"][50:100] for scores in (flow, classifier)]
    outside = [scores["ood"][:80] for scores in (flow, classifier)]

    def together(pair: list[np.ndarray]) -> np.ndarray:
        return sum((p - f.mean()) / f.std() for p, f in zip(pair, fit, strict=True))

    labels = np.repeat([0, 1], [50, 80])
    both = np.concatenate([together(held_out), together(outside)])
    assert table.loc["ood", "auroc both"] == pytest.approx(roc_auc_score(labels, both))
    single = np.concatenate([held_out[0], outside[0]])
    assert table.loc["ood", "auroc flow gradients"] == pytest.approx(roc_auc_score(labels, single))
    expected = stats.spearmanr(*outside).statistic
    assert table.loc["ood", "correlation"] == pytest.approx(expected)
    assert table.loc["id", "images"] == 50


def test_claims_follow_their_rules() -> None:
    times = pd.DataFrame(
        {
            "contender": ["forward", "GSC at p", "GSC (exact) at p"],
            "repetition": 0,
            "seconds": [1.0, 1.5, 1.2],
        }
    )
    spread = {"noise": claims.NOISE, "classes": "own", "images": 100}
    tables = {
        "consistency": pd.DataFrame(
            [
                {"dataset": "id", "mean": 0.9, "low": 0.88, "high": 0.92, **spread},
                {"dataset": "a", "mean": 0.5, "low": 0.48, "high": 0.52, **spread},
                {"dataset": "b", "mean": 0.89, "low": 0.87, "high": 0.91, **spread},
            ]
        ),
        "changes": pd.DataFrame(
            [
                {"against": "Energy", "ood": "a", "change": 0.02, "low": 0.01, "high": 0.03},
                {"against": "Energy", "ood": "b", "change": 0.03, "low": -0.01, "high": 0.07},
                {"against": GSC_EXACT, "ood": "a", "change": -0.03, "low": -0.04, "high": -0.02},
                {"against": GSC_EXACT, "ood": "b", "change": -0.03, "low": -0.04, "high": -0.02},
            ]
        ),
        "accuracy": pd.DataFrame(
            {"detector": ["no intervention", GSC, GSC_EXACT], "accuracy": [0.9, 0.88, 0.9]}
        ),
    }
    consistent, beats, stays, order, cost = claims.short_circuit_claims(tables, times, "id", "p")
    assert consistent.verdict == "holds only for 1 of 2 OOD sets"
    # Two sets with a mean change of .025 and a deviation of .007: t of one degree of freedom.
    reach = stats.t.ppf(0.975, 1) * 0.005
    assert f"0.025 [{0.025 - reach:.3f}, {0.025 + reach:.3f}]" in beats.number
    assert beats.verdict == "not decided"
    assert "better for 1, worse for 0 of 2 sets" in beats.number
    assert stays.verdict == "does not hold"
    assert order.verdict == "does not hold"
    assert cost.verdict == "holds"
    assert cost.number.startswith("1.50 (first order), 1.20")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"id_dataset": "digit"}, "there is no data set 'digit'.*Did you mean 'digits'"),
        ({"ood_datasets": ("noise",)}, "there is no data set 'noise'"),
        ({"id_dataset": "mnist"}, "ood_datasets is empty, and 'mnist' has no usual sets"),
        ({"ood_datasets": ("cifar10",)}, "which is the in-distribution set"),
        ({"split_at": "layer3"}, "split_at is 'layer3', but it must be one of stage1, stage2"),
        ({"fraction": 0.0}, "fraction is 0.0, but it must be above 0"),
        ({"score": "odin"}, "score is 'odin', but it must be one of energy"),
        ({"profile": "paper"}, "there is no profile 'paper'; there are: smoke, classroom"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_parameters_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShortCircuit(**setting)  # type: ignore[arg-type]


def test_places_exist_in_both_networks(model: nn.Module) -> None:
    for at in ("stage1", "stage2", "pool"):
        split(model, at)
