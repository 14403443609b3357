"""Numbers of the chapter on Gradient Short-Circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from earlyglow.experiments import ShortCircuit
from earlyglow.experiments.claim import Claim
from earlyglow.experiments.collected import as_text
from earlyglow.experiments.short_circuit import PLAIN_SCORE, published
from earlyglow.experiments.short_circuit.contenders.names import GRAD_NORM_CLOSED_FORM
from earlyglow.experiments.short_circuit.experiment import GSC_EXACT
from earlyglow.findings.texts import Texts, with_interval
from earlyglow.store import Tables
from earlyglow.titles import title_of

_CLAIMS = ("consistent", "beats", "accuracy", "order", "cost")


def gradient_short_circuit(
    config: ShortCircuit,
    tables: Tables,
    verdicts: Sequence[Claim],
    classifiers: Mapping[ShortCircuit, Tables],
    both: pd.DataFrame,
) -> Texts:
    """The place of GSC among the detectors, and what its parts bring.

    Args:
        config: the study.
        tables: its tables.
        verdicts: its claims, in the order of the page.
        classifiers: all published ones.
        both: the scores of the flow and of GSC side by side.
    """
    plain = PLAIN_SCORE[config.score]
    texts: dict[str, str] = {}
    for name, claim in zip(_CLAIMS, verdicts, strict=True):
        texts |= {f"{name}_number": claim.number, f"{name}_verdict": claim.verdict}
    return (
        texts
        | {"plain": plain, "place": config.split_at}
        | _of_all_classifiers(classifiers, plain)
        | _of_classifier(config, tables)
        | _among_detectors(tables["means"], plain)
        | _of_choices(config, tables["ablation"])
        | _worst_order(tables["order"])
        | _of_both(config, both)
    )


def _of_all_classifiers(classifiers: Mapping[ShortCircuit, Tables], plain: str) -> Texts:
    """What cutting features changes on the published classifiers; empty where there is none."""
    rows = [tables["means"].set_index("detector").loc[plain] for tables in classifiers.values()]
    choices = published.choices_by_classifier(classifiers).drop(
        columns=published.UNCUT, errors="ignore"
    )
    losses = [
        -tables["accuracy"].set_index("detector").loc["GSC", "change"]
        for tables in classifiers.values()
    ]
    return {
        "changes": published.changes_by_classifier(classifiers, plain) or "none published",
        "classifiers": str(len(rows)),
        "better_sets": _sets_where(classifiers, [row["gsc_less_low"] > 0 for row in rows]),
        "worse_sets": _sets_where(classifiers, [row["gsc_less_high"] < 0 for row in rows]),
        "gradient_best": str(sum(choices.idxmax(axis=1) == "gradient")),
        "better_on": str(sum(row["gsc_less_low"] > 0 for row in rows)),
        "worse_on": str(sum(row["gsc_less_high"] < 0 for row in rows)),
        "accuracy_lost": f"{min(losses):.2f} to {max(losses):.2f}" if losses else "not measured",
    }


def _sets_where(classifiers: Mapping[ShortCircuit, Tables], true: Sequence[bool]) -> str:
    """The ID sets of those classifiers for which something is true."""
    sets = [title_of(c.id_dataset) for c, is_so in zip(classifiers, true, strict=True) if is_so]
    return ", ".join(dict.fromkeys(sets)) or "none"


def _of_classifier(config: ShortCircuit, tables: Tables) -> Texts:
    accuracy = tables["classifier"].iloc[0]["accuracy"]
    return {"test_accuracy": f"{100 * accuracy:.1f} %", "id": title_of(config.id_dataset)}


def _among_detectors(means: pd.DataFrame, plain: str) -> Texts:
    ordered = means.sort_values("auroc", ascending=False).set_index("detector")
    # The two rows that check another one are not detectors of their own.
    distinct = ordered.index.drop([GSC_EXACT, GRAD_NORM_CLOSED_FORM], errors="ignore")
    best = str(ordered.index[0])
    return {
        "best_name": best,
        "best": with_interval(ordered.loc[best]),
        "gsc": with_interval(ordered.loc["GSC"]),
        "uncut": with_interval(ordered.loc[plain]),
        "rank": f"{list(distinct).index('GSC') + 1} of {len(distinct)}",
    }


def _of_choices(config: ShortCircuit, ablation: pd.DataFrame) -> Texts:
    """Which features are cut: exact passes at the study's place."""
    means = published.mean_by_choice(config, ablation)
    chosen = means.drop(published.UNCUT)
    return {
        "choices": ", ".join(f"{name} {auroc:.3f}" for name, auroc in chosen.items()),
        "few_uncut": f"{means[published.UNCUT]:.3f}",
        "few": f"{ablation['n_id'].max():,}",
    }


def _worst_order(order: pd.DataFrame) -> Texts:
    """Where the first order is furthest from the exact pass."""
    worst = order.loc[order["change"].abs().idxmax()]
    return {
        "order_worst": with_interval(worst, "change"),
        "order_worst_place": str(worst["at"]),
        "order_worst_fraction": f"{worst['fraction']:.0%}",
    }


def _of_both(config: ShortCircuit, both: pd.DataFrame) -> Texts:
    inside = both[both["dataset"] == config.id_dataset].iloc[0]
    outside = both[both["dataset"] != config.id_dataset]
    correlation = inside[["correlation", "correlation_low", "correlation_high"]]
    texts = {"correlation": as_text(*correlation), "shared": str(len(outside))}
    for name in ("flow gradients", "GSC", "both"):
        texts[f"bridge_{name.split()[0]}"] = f"{outside[f'auroc {name}'].mean():.3f}"
    return texts
