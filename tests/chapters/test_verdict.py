"""Every claim of the verdict chapter on made-up results, where the verdict is known."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from earlyglow.experiments import claims

ID_SETS = ("mnist", "fashion_mnist", "kmnist", "omniglot", "cifar10", "gtsrb", "celeba")
OOD = ("simple", "complex", "kmnist")
EPOCHS = (0.0, 0.1, 1.0, 5.0, 20.0)
# AUROC by detector, group size, epoch, OOD set, and a number that differs from ID set to ID set.
Auroc = Callable[[str, int, float, str, float], float]


def sweep(auroc: Auroc, id_sets: tuple[str, ...] = ID_SETS) -> pd.DataFrame:
    rows = [
        {
            "id_dataset": own,
            "model": "glow",
            "seed": seed,
            "epoch": epoch,
            "group_size": size,
            "detector": detector,
            "objective": objective,
            "ood": ood,
            "auroc": auroc(detector, size, epoch, ood, (i % 3 - 1) * 0.004)
            + (0.002 if epoch == EPOCHS[1 + i % 3] else 0.0),
        }
        for i, own in enumerate(id_sets)
        for seed in (0, 1)
        for epoch in EPOCHS
        for size in (1, 5)
        for detector, objective in (
            ("layer_gradients", "log_prob"),
            ("layer_gradients", "sum_z"),
            ("likelihood", ""),
        )
        for ood in OOD
        if ood != own
    ]
    return pd.DataFrame(rows)


def complexity() -> pd.DataFrame:
    bits = dict.fromkeys(ID_SETS, 3.0) | {"simple": 1.0, "complex": 5.0}
    return pd.DataFrame({"dataset": list(bits), "png_bits": list(bits.values())})


def overlap(at: Callable[[float], float], auroc: Callable[[float], float]) -> pd.DataFrame:
    """Overlap and AUROC as functions of the epoch, with one exception that makes ID sets differ."""
    return pd.DataFrame(
        [
            {
                "id_dataset": own,
                "model": "glow",
                "seed": 0,
                "ood": ood,
                "detector": "likelihood",
                "epoch": epoch,
                "kde": at(epoch + 15 * (i == 0 and epoch == 1)),
                "auroc": auroc(epoch),
            }
            for i, own in enumerate(ID_SETS)
            for ood in OOD
            for epoch in (1.0, 5.0, 10.0, 20.0)
        ]
    )


def augmented(after: float, id_sets: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "id_dataset": own,
                "model": "glow",
                "seed": 0,
                "ood": "simple",
                "epoch": 5.0,
                "group_size": 1,
                "variant": variant,
                "auroc": auroc,
            }
            for own in id_sets
            for variant, auroc in (("real images", 0.5), ("synthetic", after))
        ]
    )


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def pretend(**tables: pd.DataFrame) -> None:
        def rows(experiment: str, table: str, profile: str = "classroom") -> pd.DataFrame:
            if experiment != "epoch_sweep":
                return tables[experiment]
            name = {"classroom": experiment}.get(profile, profile)
            return tables.get(name, pd.DataFrame()) if table == "aurocs" else pd.DataFrame()

        monkeypatch.setattr(claims, "published_rows", rows)

    return pretend


def verdict_of(text: str) -> str:
    (found,) = [c.verdict for c in claims.all_claims() if text in c.text]
    return found


def flat(*_: object) -> float:
    return 0.7


def everything(auroc: Auroc) -> dict[str, pd.DataFrame]:
    return {
        "epoch_sweep": sweep(auroc),
        "likelihood_paradox": complexity(),
        "support_overlap": overlap(lambda epoch: epoch, lambda epoch: -epoch),
        "synthetic_augmentation": augmented(0.5, ID_SETS),
    }


def falling(by: float) -> Auroc:
    """The AUROC falls by so much from the early epochs to the last, more or less."""
    return lambda d, b, epoch, ood, noise: 0.7 - ((by + noise) if epoch == 20 else 0)


def unlike(d: str, b: int, epoch: float, ood: str, noise: float) -> float:
    """The last epoch is far better on some ID sets and far worse on others."""
    return 0.7 + (40 * noise if epoch == 20 else 0)


def gain(of: float, where: str = "") -> Auroc:
    """The gradient score is better than the likelihood by so much, at one OOD set or at all."""

    def auroc(d: str, b: int, epoch: float, ood: str, noise: float) -> float:
        wins = d == "layer_gradients" and where in ood
        return 0.6 + (of + noise if wins else 0.0)

    return auroc


def groups(gain: float) -> Auroc:
    return lambda d, b, epoch, ood, noise: 0.7 + (gain + noise if b == 5 else 0)


def only_groups(of: Auroc) -> Auroc:
    """The same for groups of five, while nothing changes for single images."""
    return lambda d, b, epoch, ood, noise: of(d, b, epoch, ood, noise) if b == 5 else 0.7


def untrained(gain: float) -> Auroc:
    """The untrained flow differs from all others by so much."""
    return lambda d, b, epoch, ood, noise: 0.7 + (gain + noise if epoch == 0 else 0)


def longer(change: float) -> Auroc:
    """At complex OOD sets the last epoch differs from the first by so much."""

    def auroc(d: str, b: int, epoch: float, ood: str, noise: float) -> float:
        return 0.7 + (change + noise if epoch == 20 and ood != "simple" else 0)

    return auroc


@pytest.mark.parametrize(
    ("text", "auroc", "verdict"),
    [
        ("or better: single images", falling(0.05), "holds: better"),
        ("or better: single images", falling(0.0), "holds: as good"),
        ("or better: single images", falling(-0.05), "does not hold"),
        ("or better: single images", unlike, "not decided"),
        ("one epoch is enough: single images", falling(0.05), "holds: better"),
        ("one epoch is enough: single images", falling(0.0), "holds: as good"),
        ("one epoch is enough: single images", falling(-0.05), "does not hold"),
        ("one epoch is enough: single images", unlike, "not decided"),
        ("or better: groups of five", only_groups(falling(0.05)), "holds: better"),
        ("or better: single images", only_groups(falling(0.05)), "holds: as good"),
        ("one epoch is enough: groups of five", only_groups(falling(-0.05)), "does not hold"),
        ("no training at all: single images", untrained(-0.1), "does not hold"),
        ("no training at all: groups of five", untrained(0.1), "holds: better"),
        ("its own best epoch: groups of five", only_groups(falling(-0.05)), "does not hold"),
        ("its own best epoch: single images", falling(0.05), "holds: as good"),
        ("its own best epoch: single images", falling(-0.05), "does not hold"),
        ("Groups of five", groups(0.1), "holds"),
        ("Groups of five", groups(-0.1), "does not hold on average, not in every case"),
        ("gradient score beats", gain(0.1), "holds"),
        ("gradient score beats", gain(-0.1), "does not hold"),
        ("gradient score beats", gain(0.001), "not decided"),
        ("most of all for a complex", gain(0.2, "simple"), "holds"),
        ("most of all for a complex", gain(0.2, "complex"), "does not hold"),
        ("longer training lowers", longer(-0.1), "holds"),
        ("longer training lowers", longer(0.1), "does not hold"),
        ("With KMNIST", lambda *_: 0.5, "holds"),
        ("With KMNIST", lambda *_: 0.9, "does not hold"),
        ("With KMNIST", lambda d, b, e, ood, n: 0.5 if ood == "kmnist" else 0.9, "holds for 12 of"),
    ],
)
def test_verdict_from_the_sweep(
    text: str, auroc: Auroc, verdict: str, publish: Callable[..., None]
) -> None:
    publish(**everything(auroc))
    found = verdict_of(text)
    assert found.startswith(verdict)
    assert ("not" in found) == ("not" in verdict)


@pytest.mark.parametrize(
    ("after", "id_sets", "verdict"),
    [
        (0.55, ID_SETS, "holds"),
        (0.9, ID_SETS, "does not hold for 7 of 7 pairs"),
        (0.9, ID_SETS[:1], "does not hold for 1 of 1 pairs"),
        (0.55, ID_SETS[:1], "not decided (1 ID set)"),
    ],
)
def test_verdict_on_augmentation(
    after: float, id_sets: tuple[str, ...], verdict: str, publish: Callable[..., None]
) -> None:
    tables = everything(lambda *_: 0.5)
    publish(**{**tables, "synthetic_augmentation": augmented(after, id_sets)})
    assert verdict_of("Synthetic augmentation") == verdict


@pytest.mark.parametrize(
    ("at", "auroc", "grows", "hurts"),
    [
        (lambda e: e, lambda e: -e, "holds", "holds"),
        (lambda e: -e, lambda e: -e, "does not hold", "does not hold"),
        (lambda e: e, lambda e: e, "holds", "does not hold"),
    ],
)
def test_verdict_on_overlap(
    at: Callable[[float], float],
    auroc: Callable[[float], float],
    grows: str,
    hurts: str,
    publish: Callable[..., None],
) -> None:
    publish(**{**everything(flat), "support_overlap": overlap(at, auroc)})
    assert verdict_of("overlap of likelihoods grows") == grows
    assert verdict_of("goes with a worse likelihood") == hurts


def test_too_few_id_sets_decide_nothing(publish: Callable[..., None]) -> None:
    few = ID_SETS[:4]
    tables = everything(flat)
    publish(**{**tables, "epoch_sweep": sweep(falling(0.05), few)})
    for text in ("or better: single", "best epoch: groups of five", "gradient score beats"):
        assert verdict_of(text) == "not decided (4 ID sets)"


def test_the_full_size_has_a_row_of_its_own(publish: Callable[..., None]) -> None:
    text = "at its own size"
    publish(**everything(flat))
    assert verdict_of(text) == "not tested"
    publish(**everything(flat), full_size=sweep(falling(0.1), ID_SETS[:4]))
    assert verdict_of(text) == "not decided (4 ID sets)"
    publish(**everything(flat), full_size=sweep(falling(0.1)))
    assert verdict_of(text) == "holds: better"


def test_the_difference_is_said_with_the_pairs_of_both_sides(publish: Callable[..., None]) -> None:
    """Every set has the simple and the complex pair, and all but KMNIST that with KMNIST."""
    publish(**everything(gain(0.2, "simple")))
    (claim,) = [c for c in claims.all_claims() if "most of all" in c.text]
    assert "over 7 pairs of 7 ID sets, less gain " in claim.number
    assert "over 13 pairs of 7 ID sets: difference " in claim.number


def test_one_seed_cannot_choose_for_another(publish: Callable[..., None]) -> None:
    tables = everything(flat)
    one = tables["epoch_sweep"]
    publish(**{**tables, "epoch_sweep": one[one["seed"] == 0]})
    (claim,) = [c for c in claims.all_claims() if "its own best epoch: single" in c.text]
    assert (claim.number, claim.verdict) == ("no pair to compare", "not decided (0 ID sets)")


def test_every_claim_is_judged_from_published_results() -> None:
    judged = claims.all_claims()
    assert len({claim.text for claim in judged}) == len(judged) >= 13
    assert all(claim.verdict and claim.number and "nan" not in claim.number for claim in judged)
