"""The comparison of Gradient Short-Circuit, piece by piece against scikit-learn and by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import nn

from earlyglow.classifiers import predicted_logits
from earlyglow.metrics import auroc, auroc_interval, delong_variance
from earlyglow.short_circuit import split
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.chapters.gradient_short_circuit import (
    GRAD_NORM_CLOSED_FORM,
    GSC,
    GSC_EXACT,
    PLAIN,
    ShortCircuit,
    ShortCircuitCost,
)
from earlyglow_book.chapters.gradient_short_circuit.ablations import (
    IMPORTANCES,
    RandomImportance,
    Variant,
    ablation_tables,
    variants,
)
from earlyglow_book.chapters.gradient_short_circuit.baselines import (
    Penultimate,
    new_classes,
    on_features,
    on_images,
    penultimate,
    scores_of,
)
from earlyglow_book.chapters.gradient_short_circuit.bridge import bridge
from earlyglow_book.chapters.gradient_short_circuit.claims import (
    claim_about_cost,
    claims_about_scores,
    relative_times,
)
from earlyglow_book.chapters.gradient_short_circuit.comparison import accuracy_table
from earlyglow_book.chapters.gradient_short_circuit.inputs import (
    fitting_images,
    labels_of_scored,
    require_classes,
    sets_to_score,
    trained_classifier,
)
from earlyglow_book.chapters.gradient_short_circuit.words import (
    classifier_title,
    detectors_by_classifier,
    read_published_classifiers,
    words,
    words_of_parts,
)
from earlyglow_book.flow_runs.profiles import find_classifier_sizes
from earlyglow_book.results import Computed, Tables
from earlyglow_book.tables.changes import auroc_change, mean_auroc, mean_auroc_change
from earlyglow_book.tables.claims import Claim, Judgement, Verdict


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def model(workspace: Path) -> nn.Module:
    return trained_classifier(ShortCircuit("digits", profile="smoke"), workspace).model


@pytest.fixture(scope="module")
def cut(model: nn.Module) -> Penultimate:
    return penultimate(model, fitting_images("digits", find_classifier_sizes("smoke")))


@pytest.fixture(scope="module")
def sets() -> dict[str, torch.Tensor]:
    return sets_to_score("digits", ("textures", "uniform_noise", "gaussian_noise"), 60, seed=0)


@pytest.fixture(scope="module")
def computed(workspace: Path) -> Computed:
    return ShortCircuit("digits", profile="smoke").compute(workspace)


def test_images_are_those_that_the_flow_scores(sets: dict[str, torch.Tensor]) -> None:
    of_sweep = EpochSweep("digits", profile="smoke").run.load_sets()
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
    model: nn.Module, cut: Penultimate, sets: dict[str, torch.Tensor]
) -> None:
    x = torch.cat((sets["digits"][:10], sets["textures"][:10]))
    features = predicted_logits(cut.body, x)
    images = on_images(model, cut)
    for name, detector in on_features(cut).items():
        torch.testing.assert_close(
            scores_of(detector, model, features),
            scores_of(images[name], model, x),
            rtol=1e-3,
            atol=1e-4,
            msg=name,
        )


def test_baselines_by_hand(
    model: nn.Module, cut: Penultimate, sets: dict[str, torch.Tensor]
) -> None:
    """ReAct, DICE, Mahalanobis and KNN, each written out on the penultimate features."""
    detectors = on_images(model, cut)
    fitted = cut.features.flatten(1).double().numpy()
    h = predicted_logits(cut.body, sets["textures"]).flatten(1).double().numpy()
    weight, bias = cut.last.weight.detach().double().numpy(), cut.last.bias.detach().numpy()

    def energies(features: np.ndarray, w: np.ndarray = weight) -> np.ndarray:
        return -np.log(np.exp(features @ w.T + bias).sum(1))

    threshold = np.quantile(fitted, 0.9)
    contribution = weight * fitted.mean(0)
    kept = contribution > np.quantile(contribution, 0.9)
    labels = cut.labels.numpy()
    centres = np.stack([fitted[labels == c].mean(0) for c in range(10)])
    deviations = fitted - centres[labels]
    precision = np.linalg.inv(deviations.T @ deviations / len(fitted) + 1e-6 * np.eye(h.shape[1]))
    away = h[:, None] - centres
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (fitted, h)]
    distances = np.sort(np.linalg.norm(units[1][:, None] - units[0], axis=2), axis=1)
    expected = {
        "ReAct": energies(np.minimum(h, threshold)),
        "DICE": energies(h, weight * kept),
        "Mahalanobis": np.einsum("nci,ij,ncj->nc", away, precision, away).min(1),
        "KNN": distances[:, 49],
    }
    for name, values in expected.items():
        scores = scores_of(detectors[name], model, sets["textures"]).double().numpy()
        # Scale does not matter; the covariance is regularised in a way of the library's own.
        assert stats.pearsonr(scores, values).statistic > 0.999, name


def test_new_classes_are_those_of_the_changed_logits(
    model: nn.Module, cut: Penultimate, sets: dict[str, torch.Tensor]
) -> None:
    features = predicted_logits(cut.body, sets["digits"])
    clipped = features.clamp(max=cut.features.quantile(0.9).item())
    expected = predicted_logits(cut.head, clipped).argmax(1)
    detectors = new_classes(cut)
    assert torch.equal(scores_of(detectors["ReAct"], model, features), expected)
    for detector in detectors.values():
        classes = scores_of(detector, model, features)
        assert classes.dtype == torch.int64
        assert classes.max() < 10


def test_closed_form_of_grad_norm(
    model: nn.Module, cut: Penultimate, sets: dict[str, torch.Tensor]
) -> None:
    detectors = on_images(model, cut)
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
    assert table[PLAIN] == pytest.approx(right)
    assert set(table.index) == {PLAIN, "ReAct", "DICE", "ASH", "SCALE", GSC, GSC_EXACT}
    assert computed.facts["classifier"]["accuracy"] == pytest.approx(  # type: ignore[index]
        computed.tables["classifier"]["accuracy"].item()
    )


def test_change_of_accuracy_is_paired() -> None:
    before = torch.tensor([True] * 80 + [False] * 20)
    after = torch.tensor([True] * 70 + [False] * 30)
    row = accuracy_table({PLAIN: before, GSC: after}).set_index("detector").loc[GSC]
    assert row["change"] == pytest.approx(-0.1)
    # Ten images of a hundred went from right to wrong, none the other way.
    error = np.std([-1] * 10 + [0] * 90, ddof=1) / 10
    assert row["high"] == pytest.approx(-0.1 + stats.norm.ppf(0.975) * error)


def test_an_affine_head_has_no_first_order_error(computed: Computed) -> None:
    errors = computed.tables["first_order"]
    assert errors.loc[errors["at"] == "pool", "relative_error"].max() < 1e-5
    assert errors.loc[errors["at"] == "stage1", "relative_error"].max() > 1e-2
    order = computed.tables["order"]
    assert order.loc[order["at"] == "pool", "change"].abs().max() < 5e-3
    ablation = computed.tables["ablation"]
    pool = ablation[ablation["at"] == "pool"].pivot_table(
        index=["fraction", "ood"], columns="exact", values="auroc", observed=True
    )
    np.testing.assert_allclose(pool[False], pool[True], atol=5e-3)


def test_every_variant_is_in_the_tables(computed: Computed) -> None:
    places = ("stage1", "stage2", "pool")
    wanted = variants(places, "stage2")
    # And one row without an intervention.
    assert len(set(wanted)) == len(wanted) == len(computed.tables["after"]) - 1
    keys = ["at", "fraction", "intervention", "importance", "exact"]
    assert len(computed.tables["ablation"].drop_duplicates(keys)) == len(wanted) + 1


def test_rows_without_an_intervention_are_the_plain_energy(
    computed: Computed, model: nn.Module, sets: dict[str, torch.Tensor]
) -> None:
    energies = [
        -torch.logsumexp(predicted_logits(model, sets[name][:40]).double(), 1).numpy()
        for name in ("digits", "textures")
    ]
    expected = roc_auc_score(np.repeat([0, 1], 40), np.concatenate(energies))
    table = computed.tables["ablation"]
    row = table[(table["at"] == "nowhere") & (table["ood"] == "textures")]
    assert row["auroc"].item() == pytest.approx(expected, abs=1e-3)


def test_importances_choose_what_they_say() -> None:
    features = torch.tensor([[1.0, -5.0, 2.0, 0.5]])
    gradient = torch.tensor([[-3.0, 0.1, 1.0, 2.0]])
    first = {name: of(features, gradient).argmax().item() for name, of in IMPORTANCES.items()}
    assert first["gradient"] == 0
    assert first["activation"] == 1
    assert first["gradient x activation"] == 2
    many = torch.zeros(2000, 4)
    chosen = RandomImportance(0)
    first, second = chosen(many, many), chosen(many, many)
    assert first.argmax(1).bincount().min() > 400
    assert not torch.equal(first, second)
    assert torch.equal(first, RandomImportance(0)(many, many))
    assert not torch.equal(first, RandomImportance(1)(many, many))


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
        seed=0,
    )
    ablation = tables["ablation"]
    assert ablation.loc[ablation["at"] == "pool", "auroc"].tolist() == [0.5]


def test_consistency_is_by_set_and_noise(computed: Computed) -> None:
    table = computed.tables["consistency"]
    assert len(table) == 3 * 3 * 2
    assert (table["mean"] <= 1 + 1e-6).all()
    # More noise, less agreement.
    held = table[table["classes"] == "kept"].pivot(index="dataset", columns="noise", values="mean")
    assert held.loc["digits"].is_monotonic_decreasing


def test_mean_of_one_set_is_delongs() -> None:
    rng = np.random.default_rng(0)
    scores = {"id": rng.normal(0, 1, 80), "a": rng.normal(1, 1, 60)}
    mean = mean_auroc(scores, "id", ["a"])
    deviation = delong_variance(scores["id"], scores["a"]) ** 0.5
    assert mean.value == pytest.approx(auroc(scores["id"], scores["a"]))
    assert mean.high - mean.value == pytest.approx(stats.norm.ppf(0.975) * deviation)
    after = {name: values + rng.normal(0, 1, len(values)) for name, values in scores.items()}
    changed = mean_auroc_change(scores, after, "id", ["a"])
    expected = auroc_change(scores["id"], scores["a"], after["id"], after["a"])
    assert changed == pytest.approx(expected)


def test_interval_of_a_mean_covers_what_it_should() -> None:
    """Sets share their ID images: against the spread of the mean over fresh draws."""
    rng = np.random.default_rng(1)
    means, widths = [], []
    for _ in range(400):
        scores = {"id": rng.normal(0, 1, 50)}
        scores |= {f"ood {i}": rng.normal(0.5 * i, 1, 40) for i in range(4)}
        mean = mean_auroc(scores, "id", [f"ood {i}" for i in range(4)])
        means.append(mean.value)
        widths.append(mean.high - mean.low)
    assert np.mean(widths) == pytest.approx(2 * stats.norm.ppf(0.975) * np.std(means), rel=0.1)


def test_classes_that_training_never_saw_are_refused() -> None:
    sizes = find_classifier_sizes("smoke")
    require_classes("digits", sizes)
    with pytest.raises(ValueError, match="id_dataset is 'digits', but at this size"):
        require_classes("digits", replace(sizes, training_images=5))


def test_the_flow_beside_it_is_the_published_one() -> None:
    assert ShortCircuit("cifar10").sweep == EpochSweep("cifar10")
    named = ShortCircuit("cifar10", ("gtsrb", "uniform_noise"), seed=2).sweep
    assert named == EpochSweep("cifar10", ("gtsrb",), seed=2)
    assert ShortCircuit("cifar10", ("uniform_noise",)).sweep == EpochSweep("cifar10")


def test_cost_has_everybody_in_every_round(workspace: Path) -> None:
    times = ShortCircuitCost("digits", profile="smoke").compute(workspace).tables["times"]
    rounds = times.groupby("repetition")["contender"].agg(set)
    assert all(names == rounds.iloc[0] for names in rounds)
    assert {"forward", "ODIN", "GSC at stage2", "GSC (exact) at pool"} <= rounds.iloc[0]
    ratios = relative_times(times)
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
    assert relative_times(times)["ratio"].tolist() == [3.0]


def test_bridge_by_hand() -> None:
    rng = np.random.default_rng(0)
    flow = {"id": rng.normal(5, 2, 100), "ood": rng.normal(8, 2, 80)}
    classifier = {"id": rng.normal(-3, 0.1, 120), "ood": rng.normal(-2.9, 0.1, 90)}
    frames = [
        pd.concat([pd.DataFrame({"dataset": name, "score": v}) for name, v in scores.items()])
        for scores in (flow, classifier)
    ]
    table = bridge(*frames, id_dataset="id").set_index("dataset")
    fit = [scores["id"][:50] for scores in (flow, classifier)]
    held_out = [scores["id"][50:100] for scores in (flow, classifier)]
    outside = [scores["ood"][:80] for scores in (flow, classifier)]

    def together(pair: list[np.ndarray]) -> np.ndarray:
        return sum(
            (p - np.median(f)) / stats.median_abs_deviation(f, scale="normal")
            for p, f in zip(pair, fit, strict=True)
        )

    labels = np.repeat([0, 1], [50, 80])
    both = np.concatenate([together(held_out), together(outside)])
    assert table.loc["ood", "auroc both"] == pytest.approx(roc_auc_score(labels, both))
    single = np.concatenate([held_out[0], outside[0]])
    assert table.loc["ood", "auroc flow gradients"] == pytest.approx(roc_auc_score(labels, single))
    expected = stats.spearmanr(*outside).statistic
    assert table.loc["ood", "correlation"] == pytest.approx(expected)
    assert table.loc["id", "images"] == 50
    low, high = table.loc["ood", ["correlation_low", "correlation_high"]]
    assert low < expected < high


def test_bridge_without_a_shared_set_has_its_columns() -> None:
    own = pd.DataFrame({"dataset": "id", "score": np.arange(20.0)})
    other = pd.DataFrame({"dataset": ["id"] * 20 + ["noise"] * 20, "score": np.arange(40.0) % 7})
    table = bridge(own, other, id_dataset="id")
    assert table["dataset"].tolist() == ["id"]
    assert table["auroc both"].isna().all()


def claim_tables(
    gaps: tuple[float, float], change: tuple[float, float, float]
) -> dict[str, pd.DataFrame]:
    """Tables in which the two OOD sets are less consistent by ``gaps``, and all else changes by
    ``change``."""
    spread = {"noise": 0.03, "images": 100}
    rows = [
        {"dataset": name, "mean": mean, "low": mean - 0.02, "high": mean + 0.02, "classes": kind}
        for kind in ("own", "kept")
        for name, mean in {"id": 0.9, "a": 0.9 - gaps[0], "b": 0.9 - gaps[1]}.items()
    ]
    value, low, high = change
    less = {"gsc_less": value, "gsc_less_low": low, "gsc_less_high": high}
    return {
        "consistency": pd.DataFrame(rows).assign(**spread),
        "changes": pd.DataFrame(
            [
                {"against": "Energy", "ood": "a", "change": 0.02, "low": 0.01, "high": 0.03},
                {"against": "Energy", "ood": "b", "change": -0.1, "low": -0.2, "high": 0.0},
            ]
        ),
        "means": pd.DataFrame([{"detector": name, **less} for name in ("Energy", GSC_EXACT)]),
        "accuracy": pd.DataFrame(
            {
                "detector": [PLAIN, GSC],
                "accuracy": [0.9, 0.9 + value],
                "change": [0.0, value],
                "low": [0.0, low],
                "high": [0.0, high],
                "images": 500,
            }
        ),
    }


@pytest.mark.parametrize(
    ("gaps", "change", "verdicts"),
    [
        ((0.4, 0.3), (0.05, 0.01, 0.09), ["holds"] * 4),
        (
            (0.4, 0.01),
            (0.0, -0.005, 0.005),
            ["holds only in 2 of 4 comparisons", "not decided", "holds", "holds"],
        ),
        ((0.01, 0.0), (0.0, -0.05, 0.05), ["not decided"] * 4),
        ((0.4, -0.4), (-0.05, -0.07, -0.03), ["does not hold"] * 4),
        (
            (-0.4, 0.0),
            (-0.015, -0.019, -0.011),
            ["does not hold", "does not hold", "does not hold", "holds"],
        ),
    ],
)
def test_claims_follow_their_rules(
    gaps: tuple[float, float], change: tuple[float, float, float], verdicts: list[str]
) -> None:
    judged = claims_about_scores(claim_tables(gaps, change), "id", "Energy")
    assert [str(claim.judgement) for claim in judged] == verdicts
    assert "better for 1, worse for 0 of 2 OOD sets" in judged[1].number


@pytest.mark.parametrize(
    ("first", "exact", "verdict"),
    [
        (1.5, 1.2, "holds; the exact second pass costs less"),
        (1.5, 1.7, "holds"),
        (2.1, 2.5, "does not hold"),
    ],
)
def test_claim_about_cost(first: float, exact: float, verdict: str) -> None:
    contenders = ["forward", "GSC at p", "GSC (exact) at p"]
    times = pd.DataFrame({"contender": contenders, "seconds": [1.0, first, exact]})
    judged = claim_about_cost(times.assign(repetition=0), "p")
    assert str(judged.judgement) == verdict
    assert judged.number.startswith(f"{first:.2f} (first order), {exact:.2f}")


def test_published_classifiers_have_the_same_detector() -> None:
    """Others than the usual fraction, place or OOD sets stand for themselves."""
    found = read_published_classifiers(ShortCircuit("fashion_mnist", seed=5))
    assert list(found) == [
        ShortCircuit(name, seed=seed) for name in ("cifar10", "fashion_mnist") for seed in (0, 1)
    ]
    assert read_published_classifiers(ShortCircuit(fraction=0.123)) == {}
    table = detectors_by_classifier(found)
    assert list(table) == [classifier_title(config) for config in found]
    for config, tables in found.items():
        row = tables["means"].set_index("detector").loc["Energy"]
        gap = (
            table.loc[GSC, classifier_title(config)] - table.loc["Energy", classifier_title(config)]
        )
        assert row["gsc_less"] == pytest.approx(gap)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"id_dataset": "digit"}, "there is no data set 'digit'.*Did you mean 'digits'"),
        ({"ood_datasets": ("noise",)}, "there is no data set 'noise'"),
        ({"id_dataset": "mnist"}, "ood_datasets is empty, and 'mnist' has no usual sets"),
        ({"ood_datasets": ("svhn", "svhn")}, "no set may be named twice"),
        ({"ood_datasets": ("cifar10",)}, "which is the in-distribution set"),
        ({"split_at": "layer3"}, "split_at is 'layer3', but it must be one of stage1, stage2"),
        ({"fraction": 0.0}, "fraction is 0.0, but it must be above 0"),
        ({"score": "odin"}, "score is 'odin', but it must be one of energy"),
        ({"profile": "paper"}, "profile is 'paper', but it must be one of smoke, classroom"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_parameters_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShortCircuit(**setting)  # type: ignore[arg-type]


def test_places_exist_in_both_networks(model: nn.Module) -> None:
    for at in ("stage1", "stage2", "pool"):
        split(model, at)


def test_means_of_perfect_scores_have_a_width() -> None:
    """By the exact bound for the smallest of the sets."""
    scores = {"id": np.arange(50.0), "near": np.arange(60.0, 100.0), "far": np.arange(200.0, 230.0)}
    shortfall = 1 - auroc_interval(scores["id"], scores["far"]).low
    assert mean_auroc(scores, "id", ["near", "far"]) == pytest.approx((1.0, 1 - shortfall, 1.0))
    change = mean_auroc_change(scores, scores, "id", ["near", "far"])
    assert change == pytest.approx((0.0, -shortfall, shortfall))


def test_bridge_refuses_scores_without_a_scale() -> None:
    own = pd.DataFrame({"dataset": "id", "score": np.arange(20.0)})
    saturated = pd.DataFrame({"dataset": "id", "score": np.repeat([1.0, 2.0], [15, 5])})
    with pytest.raises(ValueError, match="half of the 10 ID scores are equal"):
        bridge(own, saturated, id_dataset="id")
    with pytest.raises(ValueError, match="3 images of id were scored by both"):
        bridge(own[:3], own, id_dataset="id")


def test_cost_refuses_a_bad_fraction() -> None:
    with pytest.raises(ValueError, match=r"fraction is 7\.0, but it must be above 0"):
        ShortCircuitCost("digits", fraction=7.0, profile="smoke")


CONFIG = ShortCircuit("fashion_mnist", profile="smoke")


def known_means(less: float) -> pd.DataFrame:
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


def known_classifier(less: float, accuracy_change: float) -> Tables:
    accuracy = pd.DataFrame({"detector": ["GSC"], "change": [accuracy_change]})
    return {"means": known_means(less), "accuracy": accuracy, "ablation": known_ablation()}


def known_ablation() -> pd.DataFrame:
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


def known_tables() -> Tables:
    order = pd.DataFrame(
        {"at": ["early", "late"], "fraction": [0.05, 0.2], "change": [0.01, -0.03]}
    ).assign(low=-0.05, high=0.02)
    return {
        "classifier": pd.DataFrame({"accuracy": [0.9125]}),
        "means": known_means(0.1),
        "ablation": known_ablation(),
        "order": order,
    }


def known_both() -> pd.DataFrame:
    aurocs = {"auroc flow gradients": [None, 0.6, 0.8], "auroc GSC": [None, 0.5, 0.7]}
    correlations = {"correlation": [0.2, 9, 9], "correlation_low": [0.1, 9, 9]}
    correlations["correlation_high"] = [0.3, 9, 9]
    names = {"dataset": [CONFIG.id_dataset, "mnist", "kmnist"]}
    return pd.DataFrame(names | aurocs | {"auroc both": [None, 0.9, 0.9]} | correlations)


def known_claims() -> list[Claim]:
    names = ("consistent", "beats", "accuracy", "order", "cost")
    return [
        Claim(name, "", "", "", f"number {i}", Judgement(Verdict.HOLDS, f", {i}"))
        for i, name in enumerate(names)
    ]


def test_the_place_of_gsc_and_what_its_parts_bring() -> None:
    classifiers = {
        CONFIG: known_classifier(0.1, -0.02),
        ShortCircuit("fashion_mnist", profile="smoke", seed=1): known_classifier(-0.2, -0.05),
        ShortCircuit("fashion_mnist", profile="smoke", seed=2): known_classifier(0.0, 0.01),
    }
    found = words(CONFIG, known_tables(), known_claims(), classifiers)
    found |= words_of_parts(CONFIG, known_tables(), classifiers, known_both())
    assert (found["beats_number"], found["cost_verdict"]) == ("number 1", "holds, 4")
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
    found = words(CONFIG, known_tables(), known_claims(), {})
    found |= words_of_parts(CONFIG, known_tables(), {}, known_both())
    assert (found["changes"], found["accuracy_lost"]) == ("none published", "not measured")
    assert (found["better_sets"], found["gradient_best"]) == ("none", "0")
