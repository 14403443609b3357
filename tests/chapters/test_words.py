"""The numbers that chapters quote, from made-up tables in which they are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlyglow import findings
from earlyglow.experiments import (
    DenseGlowFullSize,
    EpochSweep,
    GroupSize,
    KmnistFailure,
    LowLevelFeatures,
    SyntheticAugmentation,
    claims,
)
from earlyglow.experiments.collected import Mean
from earlyglow.experiments.references import released_aurocs
from earlyglow.findings.group_size import _of_all_pairs, _of_separation
from earlyglow.findings.texts import from_to
from earlyglow.findings.verdict import (
    _bits,
    _gains_by_model,
    _gains_over_typicality,
    _over_epochs,
)


def auroc_rows(values: dict[tuple[str, float], float], **others: object) -> pd.DataFrame:
    """Rows of (OOD set, epoch) → AUROC of the gradients of log p on single images."""
    same = {"detector": "layer_gradients", "objective": "log_prob", "group_size": 1, **others}
    rows = [
        {"ood": ood, "epoch": epoch, "auroc": a, "low": a - 0.1, "high": a + 0.1, **same}
        for (ood, epoch), a in values.items()
    ]
    return pd.DataFrame(rows)


def sweep(*means: float) -> pd.DataFrame:
    """A sweep at epochs 0, 1, 2, ... in which OOD set b is .1 better than a on the average."""
    values = {
        (o, float(e)): m + s for e, m in enumerate(means) for o, s in (("a", -0.05), ("b", 0.05))
    }
    return pd.concat(
        auroc_rows(values, group_size=b, detector=detector, objective=objective)
        for b in (1, 5)
        for detector, objective in (
            ("layer_gradients", "log_prob"),
            ("layer_gradients", "sum_z"),
            ("likelihood", ""),
        )
    )


def test_the_untrained_flow_and_the_last_epoch_cannot_win() -> None:
    tables = {"mnist": sweep(0.9, 0.5, 0.6, 0.7), "kmnist": sweep(0.9, 0.5, 0.8, 0.7)}
    found = findings.three_sweeps(tables)
    assert (found["early_wins"], found["id_sets"]) == ("1", "2")
    assert (found["earlier_epochs"], found["by_chance"]) == ("2", "67%")
    assert (found["mnist_early"], found["mnist_late"]) == ("0.500", "0.700")
    assert (found["kmnist_best"], found["kmnist_best_epoch"]) == ("0.900", "0")
    assert (found["mnist_worst"], found["mnist_worst_auroc"]) == ("a", "0.650 [0.550, 0.750]")


def test_kmnist_ranges_are_over_seeds_and_objectives_not_over_their_means() -> None:
    config = KmnistFailure("kmnist", ("mnist",), profile="smoke")
    rows = pd.concat(
        auroc_rows({("mnist", 1.0): a}, id_dataset="kmnist", model="glow", objective=o, seed=seed)
        for seed, o, a in (
            (0, "log_prob", 0.3),
            (1, "log_prob", 0.5),
            (0, "sum_z", 0.9),
        )
    )
    others = auroc_rows({("kmnist", 1.0): 0.6}, id_dataset="mnist", model="glow", seed=0)
    names = ["as measured", "objective sum_z", "fit set overlaps", "scored without noise"]
    names += ["trained without noise", "OOD inverted", "OOD with ID ink", "OOD with ID spectrum"]
    explanations = pd.DataFrame(
        [
            {"explanation": name, "ood": ood, "auroc": 0.1 * i + shift, "epoch": 0.5}
            | {"low": 0.1 * i + shift - 0.05}
            for i, name in enumerate(names)
            for ood, shift in (("mnist", 0.0), ("omniglot", 0.1))
        ]
    ).assign(epoch=config.shown_epochs[1])
    epochs = pd.DataFrame(
        {"dataset": "kmnist", "epoch": [0.0, 0.5, 1.0], "bits_per_dim": [8, 3, 4]}
    )
    controls = pd.DataFrame(
        [
            {"control": f"ID with ID {name}", "auroc": a, "low": a - 0.1, "high": a + 0.1}
            | {"epoch": epoch}
            for name, value in (("ink", 0.3), ("spectrum", 0.6))
            for epoch, a in ((config.shown_epochs[0], 0.1), (config.shown_epochs[1], value))
        ]
    )
    tables = {"explanations": explanations, "controls": controls}
    found = findings.kmnist_failure(config, pd.concat((rows, others)), tables, {"epochs": epochs})
    # Ink: .6 and .7 with their lower ends against .4; spectrum: .7 and .8 against .7.
    assert (found["control_ink"], found["beyond_ink"]) == ("0.300 [0.200, 0.400]", "2 of 2")
    assert found["control_spectrum"] == "0.600 [0.500, 0.700]"
    assert found["beyond_spectrum"] == "1 of 2"
    assert (found["as_id"], found["as_ood"]) == ("0.30 to 0.90", "0.60 to 0.60")
    assert found["within"] == "50%"
    assert (found["hardest"], found["hardest_auroc"]) == ("MNIST", "0.40")
    assert (found["ink_easier"], found["ink_harder"]) == ("2", "0")
    assert found["arranged"] == "0.70 to 0.80"
    assert (found["bits_best_epoch"], found["bits_last"]) == ("0.5", "4.00")


def test_changes_that_cancel_in_the_mean_show_in_their_range_and_size() -> None:
    names = ["gradient of Σ z", "guards of 1e-10", "fit set holds the scored images"]
    names += ["one Gaussian per module", "these three together", "released initialisation"]
    names += ["no dequantisation"]
    effects = pd.DataFrame(
        [
            {"id_dataset": own, "ood": "x", "model": "glow", "seed": 0, "epoch": epoch}
            | {"variant": name, "group_size": 1, "change": change if epoch == 2 else 9.0}
            for name in names
            for epoch in (1.0, 2.0)
            for own, change in (("a", 0.2), ("b", -0.2))
        ]
    )
    beside = findings.beside_released(pd.DataFrame(_like_the_released_table()))
    found = findings.released_code(effects, beside)
    assert found["effect_sum_z"].startswith("0.000 [")
    assert (found["range_sum_z"], found["size_sum_z"]) == ("-0.200 to +0.200", "0.200")
    assert (found["agreement_1"], found["agreement_5"]) == ("1.00", "1.00")
    assert found["compared"] == "20"


def _like_the_released_table() -> dict[str, object]:
    """Sweeps that came out as the released code's after one epoch, halved."""
    released = released_aurocs().query("epoch == 1")
    columns = {
        name: released[name].tolist() for name in ("id_dataset", "ood", "group_size", "epoch")
    }
    return columns | {
        "auroc": (released["auroc"] / 2).tolist(),
        "detector": "layer_gradients",
        "objective": "sum_z",
    }


@pytest.mark.parametrize(
    ("low", "content", "sentence"),
    [
        (0.8, 0.6, "changes of low-level statistics are noticed better"),
        (0.6, 0.2, "changes of content are noticed better"),
        (0.6, 0.405, "neither kind of change is noticed before the other"),
    ],
)
def test_which_kind_is_noticed_first(low: float, content: float, sentence: str) -> None:
    config = LowLevelFeatures("digits", profile="smoke")
    early, _, last = config.shown_epochs
    rows = [("unchanged", "neither", 0.5), ("blurred", "low level", low)]
    rows += [("upside down", "content", content), ("shuffled patches", "content", content)]
    rows += [("levels of other Digits", "swap alone", 0.75)]
    table = pd.DataFrame(
        [
            {"ood": ood, "kind": kind, "auroc": a, "low": a, "high": a, "epoch": epoch}
            for epoch in (early, last)
            for ood, kind, a in rows
        ]
    )
    found = findings.low_level_features(config, table)
    assert found["first"] == sentence
    assert found["swap"] == "0.750 [0.750, 0.750]"
    assert found["low_early"] == f"{abs(low - 0.5):.3f}"


def test_the_best_training_set_is_not_the_real_one() -> None:
    config = SyntheticAugmentation("digits", profile="smoke")
    last = config.training.epochs[-1]
    values = {"real images": (0.9, 0.4), "samples": (0.3, 0.6), "pixels": (0.5, 0.5)}
    table = pd.concat(
        auroc_rows({("mnist", last): a, ("kmnist", last): b}, variant=name)
        for name, (a, b) in values.items()
    )
    fives = table.assign(auroc=table["auroc"] + 0.1, group_size=5)
    found = findings.synthetic_augmentation(config, table, fives)
    assert found["hardest_real_five"].startswith("0.500 [")
    assert (found["best_five"], found["hardest_best_five"][:5]) == ("samples", "0.700")
    assert (found["hardest"], found["hardest_real"]) == ("KMNIST", "0.400 [0.300, 0.500]")
    assert (found["best"], found["hardest_best"]) == ("samples", "0.600 [0.500, 0.700]")
    assert (found["variants"], found["mean_best_name"]) == ("2", "pixels")


def test_the_epoch_sweep_is_quoted_at_its_size_and_objective() -> None:
    config = EpochSweep("digits", ("textures",), profile="smoke", group_size=5, objective="sum_z")
    shown = sweep(0.9, 0.5, 0.6, 0.7).assign(n_id=12, n_ood=12)
    wanted = (shown["group_size"] == 5) & shown["objective"].isin(["sum_z", ""])
    shown["auroc"] = shown["auroc"].where(wanted, 0.1)
    bits = pd.DataFrame(
        [
            {"dataset": name, "epoch": float(e), "bits_per_dim": value + (name != "digits")}
            for name in ("digits", "a")
            for e, value in enumerate((8.0, 6.0, 5.0, 4.0))
        ]
    )
    found = findings.epoch_sweep(config, {"aurocs": shown, "epochs": bits})
    assert (found["mean_first"], found["mean_last"]) == ("0.500", "0.700")
    assert (found["best_epoch"], found["mean_best"]) == ("0", "0.900")
    assert (found["likelihood_last"], found["sets"]) == ("0.700", "2")
    assert (found["bits_first"], found["bits_last"]) == ("6.00", "4.00")
    assert found["items"] == "12 ID against up to 12 OOD"
    assert found["epoch_images"] == f"{config.sizes.images_per_epoch:,}"


def test_gains_over_the_likelihood_are_by_model_and_complexity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against simple OOD sets the gradients gain .2, elsewhere they lose .1; the KDE is best."""
    bits = pd.DataFrame({"dataset": ["a", "b", "plain", "rich"], "png_bits": [3, 4, 1, 9]})
    monkeypatch.setattr(claims, "published_rows", lambda *_: bits)
    rows = pd.DataFrame(
        [
            {"id_dataset": own, "ood": ood, "model": model, "seed": 0, "epoch": epoch}
            | {"detector": detector, "objective": objective}
            | {"auroc": auroc + (0.2 if ood == "plain" else -0.1) * (detector != "likelihood")}
            for own, model in (("a", "glow"), ("b", "glow"), ("b", "dense_glow"))
            for ood in ("plain", "rich")
            for epoch in (1.0, 2.0)
            for detector, objective, auroc in (
                ("likelihood", "", 0.5),
                ("layer_gradients", "log_prob", 0.5),
                ("layer_gradients", "sum_z", 0.1),
                ("layer_density", "log_prob", 0.6),
                ("total_norm", "log_prob", 0.4),
                ("rao", "log_prob", 0.3),
                ("typicality", "", 0.55),
            )
        ]
    )
    found = findings.likelihood_paradox(rows)
    assert (found["pairs"], found["last"]) == ("6", "2")
    assert found["best"] == "density of log norms"
    assert found["mean_likelihood"].startswith("0.500")
    assert found["mean_best_value"].startswith("0.650")
    assert found["gain_simpler"].startswith("0.200")
    assert found["gain_others"].startswith("-0.100")
    assert found["gain_glow"].endswith("(4 pairs)")
    assert found["gain_dense"].endswith("(2 pairs)")
    assert found["gain_typicality"].startswith("-0.050")
    assert found["typicality_simpler"].startswith("-0.050")
    assert found["layers_gain"].startswith("0.100")
    assert found["density_gain"].startswith("0.100")


def test_what_the_overlap_does_is_quoted_for_the_likelihood() -> None:
    rows = pd.DataFrame(
        {"detector": ["likelihood", "likelihood", "layer_gradients"]}
        | {name: [0.1, 0.3, 9.0] for name in ("kde", "kde_released", "histogram")}
    )
    names = [f"likelihood: overlap and {what}" for what in ("epoch", "AUROC", "|AUROC - ½|")]
    names += ["gradients: overlap and AUROC", "gradients: overlap and epoch"]
    within = {name: Mean(0.1 * i, 0.0, 0.9, 7, 5) for i, name in enumerate(names)}
    across = pd.DataFrame({"likelihood": {"auroc": -0.25, "distance": 0.5}})
    found = findings.support_overlap(rows, within, across)
    assert (found["growth"], found["pairs"]) == (str(within[names[0]]), "7")
    assert found["distance"].startswith("0.200")
    assert found["gradients_growth"].startswith("0.400")
    assert (found["across"], found["across_distance"]) == ("-0.25", "0.50")
    assert (found["released"], found["ruled"], found["histogram"]) == ("0.20", "0.20", "0.20")


def test_overlap_correlations_are_within_pairs_and_across_them() -> None:
    """Overlap grows over the epochs of each pair; across pairs it falls with the AUROC."""
    rows = pd.DataFrame(
        [
            {"id_dataset": own, "ood": "x", "model": "glow", "seed": 0, "detector": detector}
            | {"epoch": e, "kde": 0.1 * i + 0.01 * e, "auroc": 0.9 - 0.1 * i + 0.01 * e}
            for detector in ("likelihood", "layer_gradients")
            for i, own in enumerate(("a", "b", "c"))
            for e in (1.0, 2.0, 3.0)
        ]
    )
    rows = rows.assign(distance=(rows["auroc"] - 0.5).abs())
    within = findings.correlations_within(rows)
    assert all((values == 1).all() for values in within.values())
    across = findings.correlations_across(rows)
    assert across.loc["auroc"].tolist() == pytest.approx([-1, -1])


def test_a_range_has_signs_where_it_needs_them() -> None:
    assert from_to(pd.Series([-0.1, 0.25])) == "-0.100 to +0.250"
    assert from_to(pd.Series(np.array([0.1, 0.25]))) == "0.100 to 0.250"


def published(values: dict[tuple[str, int, float, int], float], detector: str) -> pd.DataFrame:
    """Rows of (ID set, seed, epoch, group size) → AUROC, as published_rows gives them."""
    return pd.DataFrame(
        [
            {"id_dataset": own, "ood": "x", "model": "glow", "seed": seed, "epoch": epoch}
            | {"group_size": size, "detector": detector, "auroc": auroc}
            for (own, seed, epoch, size), auroc in values.items()
        ]
    )


def test_flows_are_compared_by_their_means_over_seeds() -> None:
    """Set a has two seeds, which disagree, and set b has one."""
    values = {("a", 0, 1.0, 1): 0.6, ("a", 0, 2.0, 1): 0.9, ("a", 1, 1.0, 1): 0.8}
    values |= {("a", 1, 2.0, 1): 0.7, ("b", 0, 1.0, 1): 0.9, ("b", 0, 2.0, 1): 0.5}
    values |= {("a", 0, 0.0, 1): 0.3, ("b", 0, 0.0, 1): 0.4}
    found = _over_epochs(published(values, "layer_gradients"))
    assert (found["flows"], found["flows_compared"]) == ("3", "2")
    assert (found["later_better"], found["early_better"], found["pairs_up"]) == ("1", "1", "1")
    assert found["mean_untrained"].startswith("0.350 [")
    assert found["mean_early"].startswith("0.800 [")
    assert found["mean_last"].startswith("0.650 [")


def test_gains_are_by_model_and_over_typicality(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end the gradients gain .3 and .1 on the likelihood and lose .1 on typicality."""
    rows = pd.DataFrame(
        [
            {"id_dataset": "a", "ood": "x", "model": model, "seed": 0, "group_size": 1}
            | {"epoch": epoch, "detector": detector, "auroc": auroc + (epoch == 1.0) * early}
            | {"objective": "log_prob" if detector == "layer_gradients" else ""}
            for model, of_likelihood in (("glow", 0.2), ("dense_glow", 0.4))
            for epoch in (1.0, 2.0)
            for detector, auroc, early in (
                ("layer_gradients", 0.5, 0.2),
                ("likelihood", of_likelihood, 0.0),
                ("typicality", 0.6, 0.0),
            )
        ]
    )
    monkeypatch.setattr(claims, "published_rows", lambda *_: rows)
    found = _gains_by_model() | _gains_over_typicality(claims.gradient_rows())
    assert {name: float(text[:6]) for name, text in found.items()} == pytest.approx(
        {
            "gain_glow": 0.3,
            "gain_dense_glow": 0.1,
            "typicality_early": 0.1,
            "typicality_last": -0.1,
        }
    )


def test_deviation_over_seeds_needs_several() -> None:
    """Set a has seeds .2 apart and errors of .05; set b has one seed and a larger error."""
    values = {("a", 0, 1.0, 1): 0.5, ("a", 1, 1.0, 1): 0.7, ("b", 0, 1.0, 1): 0.9}
    rows = published(values, "layer_gradients")
    reach = rows["id_dataset"].map({"a": 0.05, "b": 0.2}) * stats.norm.ppf(0.975)
    rows = rows.assign(low=rows["auroc"] - reach, high=rows["auroc"] + reach)
    (found,) = findings.seeds_and_images(rows).to_numpy()
    assert found.tolist() == pytest.approx([0.2 / np.sqrt(2), 0.05])


def test_the_largest_setback_is_that_of_one_flow() -> None:
    bits = pd.DataFrame(
        [
            {
                "id_dataset": "a",
                "model": "glow",
                "seed": seed,
                "epoch": epoch,
                "bits_per_dim": value,
            }
            for seed, values in enumerate(((9.0, 7.0, 3.0, 5.0), (9.0, 7.0, 6.0, 5.0)))
            for epoch, value in enumerate(values)
        ]
    )
    values = {("a", 0, float(e), 1): 0.5 for e in (1, 2, 3)}
    found = _bits(bits, published(values, "layer_gradients"))
    assert (found["bits_early"], found["bits_last"]) == ("7.00", "5.00")
    assert (found["bits_gained"], found["setback"]) == ("2.0", "2.0")


def test_what_groups_put_right() -> None:
    sizes = {1: 0.4, 5: 0.45, 25: 0.7}, {1: 0.3, 5: 0.6, 25: 0.9}, {1: 0.8, 5: 0.7, 25: 1.0}
    gradients = {
        (own, 0, 1.0, size): auroc
        for own, by_size in zip("abc", sizes, strict=True)
        for size, auroc in by_size.items()
    }
    rows = [published(gradients, "layer_gradients"), published(gradients, "likelihood")]
    found = _of_all_pairs(pd.concat(rows))
    assert (found["cells"], found["upside_down"]) == ("3", "2")
    assert (found["righted_5"], found["righted_25"]) == ("50%", "100%")
    assert found["share_five"] == "66.7%"
    assert found["late_5"].startswith("0.583 [")


def test_deviation_falls_and_shifts_rise_with_the_group() -> None:
    """From single images to the largest groups: the deviation to a quarter, the shifts doubled."""
    config = GroupSize("digits", profile="smoke")
    _, _, last = config.shown_epochs
    rows = [
        (last, 1, "digits", 0.8, 0.01),
        (last, 1, "mnist", 0.8, 0.1),
        (last, 1, "kmnist", 0.8, 0.3),
        (last, 5, "digits", 0.2, 0.09),
        (last, 5, "mnist", 0.2, 0.2),
        (last, 5, "kmnist", 0.2, 0.3),
        (last - 0.1, 5, "mnist", 0.8, 9.0),
    ]
    names = ["epoch", "group_size", "dataset", "deviation", "shift"]
    found = _of_separation(config, pd.DataFrame(rows, columns=names))
    assert found == {"deviation_factor": "4.0", "shift_factors": "1.0 to 2.0"}


def test_the_full_size_is_compared_at_the_epochs_that_both_sizes_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At full size the two sets lose .1 and .3 from epoch 1 to 20, and end .2 and 0 above."""

    def rows(values: dict[tuple[str, float], float], model: str = "dense_glow") -> pd.DataFrame:
        common = {"ood": "x", "model": model, "seed": 0, "group_size": 1}
        common |= {"detector": "layer_gradients", "objective": "log_prob"}
        return pd.DataFrame(
            [{"id_dataset": n, "epoch": e, "auroc": a, **common} for (n, e), a in values.items()]
        )

    full = {("mnist", 0.0): 0.1, ("mnist", 1.0): 0.8, ("mnist", 20.0): 0.7}
    full |= {("omniglot", 1.0): 0.9, ("omniglot", 20.0): 0.6, ("omniglot", 50.0): 0.2}
    small = {("mnist", 1.0): 0.4, ("mnist", 3.0): 0.3, ("mnist", 20.0): 0.5}
    small |= {("omniglot", 1.0): 0.4, ("omniglot", 3.0): 0.3, ("omniglot", 20.0): 0.6}
    small |= {("kmnist", 1.0): 0.9, ("kmnist", 3.0): 0.9, ("kmnist", 20.0): 0.9}
    other = rows({("mnist", 20.0): 0.0}, model="glow")
    tables = {"full_size": rows(full), "classroom": pd.concat([rows(small), other])}
    monkeypatch.setattr(
        claims, "published_rows", lambda name, table, profile="classroom": tables[profile]
    )
    beside = findings.beside_classroom()
    assert beside.columns.to_list() == [
        (size, epoch) for size in ("full size", "classroom") for epoch in (1.0, 20.0)
    ]
    assert beside.loc["mnist"].to_list() == [0.8, 0.7, 0.4, 0.5]
    assert beside.loc["omniglot"].to_list() == [0.9, 0.6, 0.4, 0.6]
    epochs = pd.DataFrame({"dataset": "mnist", "epoch": [1.0, 20.0], "bits_per_dim": [5.0, 2.0]})
    own = tables["full_size"].query("id_dataset == 'mnist'")
    config = DenseGlowFullSize("mnist", profile="smoke")
    found = findings.dense_glow_full_size(config, {"aurocs": own, "epochs": epochs})
    assert (found["early"], found["last"], found["common_last"]) == ("1", "20", "20")
    assert (found["auroc_early"], found["auroc_last"]) == ("0.800", "0.700")
    assert (found["bits_early"], found["bits_last"]) == ("5.00", "2.00")
    assert found["change"] == "-0.200 [-1.000, 1.000]"
    assert found["against"].startswith("0.100 [-1.000, ")
    assert (found["falls_on"], found["rises_on"]) == ("MNIST, Omniglot", "none")
    assert (found["longest_set"], found["longest_last"]) == ("Omniglot", "50")
    assert (found["longest_at_common"], found["longest_at_last"]) == ("0.600", "0.200")
    assert (found["sets"], found["pairs"]) == ("2", "2")
