"""Numbers of the chapter on Gradient Short-Circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from earlyglow_book.chapters.gradient_short_circuit import (
    GRAD_NORM_CLOSED_FORM,
    GSC,
    GSC_EXACT,
    ShortCircuit,
    classifiers,
)
from earlyglow_book.chapters.gradient_short_circuit.claims import gsc_less
from earlyglow_book.results import Tables
from earlyglow_book.tables.claims import Claim
from earlyglow_book.tables.texts import Texts, as_text, with_interval
from earlyglow_book.titles import title_of


def words(
    config: ShortCircuit,
    tables: Tables,
    verdicts: Sequence[Claim],
    published: Mapping[ShortCircuit, Tables],
    both: pd.DataFrame,
) -> Texts:
    """The place of GSC among the detectors, and what its parts bring.

    Args:
        config: the study.
        tables: its tables.
        verdicts: its claims.
        published: all published classifiers.
        both: the scores of the flow and of GSC side by side.
    """
    plain = config.plain_score
    texts: Texts = {}
    for claim in verdicts:
        texts |= {f"{claim.id}_number": claim.number, f"{claim.id}_verdict": str(claim.judgement)}
    return {
        **texts,
        "plain": plain,
        "place": config.split_at,
        **_of_all_classifiers(published, plain),
        "test_accuracy": f"{100 * tables['classifier']['accuracy'].iloc[0]:.1f} %",
        "id": title_of(config.id_dataset),
        **_among_detectors(tables["means"], plain),
        **_of_choices(config, tables["ablation"]),
        **_worst_order(tables["order"]),
        **_of_both(config, both),
    }


def _of_all_classifiers(published: Mapping[ShortCircuit, Tables], plain: str) -> Texts:
    """What cutting features changes on the published classifiers; empty where there is none."""
    better, worse, losses = [], [], []
    for config, tables in published.items():
        _, low, high = gsc_less(tables["means"], plain)
        better += [title_of(config.id_dataset)] if low > 0 else []
        worse += [title_of(config.id_dataset)] if high < 0 else []
        losses.append(-tables["accuracy"].set_index("detector").loc[GSC, "change"])
    choices = classifiers.choices_by_classifier(published)
    best = choices.drop(columns=classifiers.UNCUT, errors="ignore").idxmax(axis=1)
    return {
        "changes": classifiers.changes_by_classifier(published, plain) or "none published",
        "classifiers": str(len(published)),
        "better_sets": ", ".join(dict.fromkeys(better)) or "none",
        "worse_sets": ", ".join(dict.fromkeys(worse)) or "none",
        "gradient_best": str(sum(best == "gradient")),
        "better_on": str(len(better)),
        "worse_on": str(len(worse)),
        "accuracy_lost": f"{min(losses):.2f} to {max(losses):.2f}" if losses else "not measured",
    }


def _among_detectors(means: pd.DataFrame, plain: str) -> Texts:
    ordered = means.sort_values("auroc", ascending=False).set_index("detector")
    # The two rows that check another one are not detectors of their own.
    distinct = ordered.index.drop([GSC_EXACT, GRAD_NORM_CLOSED_FORM], errors="ignore")
    best = str(ordered.index[0])
    return {
        "best_name": best,
        "best": with_interval(ordered.loc[best]),
        "gsc": with_interval(ordered.loc[GSC]),
        "uncut": with_interval(ordered.loc[plain]),
        "rank": f"{list(distinct).index(GSC) + 1} of {len(distinct)}",
    }


def _of_choices(config: ShortCircuit, ablation: pd.DataFrame) -> Texts:
    """Which features are cut: exact passes at the study's place."""
    means = classifiers.mean_by_choice(config, ablation)
    chosen = means.drop(classifiers.UNCUT)
    return {
        "choices": ", ".join(f"{name} {auroc:.3f}" for name, auroc in chosen.items()),
        "few_uncut": f"{means[classifiers.UNCUT]:.3f}",
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
