"""Numbers of the chapter on Gradient Short-Circuit, and its published classifiers side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from earlyglow_book.chapters.gradient_short_circuit import (
    GRAD_NORM_CLOSED_FORM,
    GSC,
    GSC_EXACT,
    ShortCircuit,
)
from earlyglow_book.chapters.gradient_short_circuit.bridge import KINDS
from earlyglow_book.chapters.gradient_short_circuit.claims import claims_about_scores, gsc_less
from earlyglow_book.image_sets import USUAL_OOD_OF_CLASSIFIERS
from earlyglow_book.results import Tables, read_published_tables
from earlyglow_book.tables.claims import Claim
from earlyglow_book.tables.texts import Texts, as_text, with_interval
from earlyglow_book.titles import title_of

Classifiers = Mapping[ShortCircuit, Tables]

_TABLES = ("ablation", "accuracy", "changes", "consistency", "means")
# The column of no intervention.
_UNCUT = "none cut"
# The share of features that is cut where choices of them are compared.
_SHARE = 0.05


def read_published_classifiers(config: ShortCircuit) -> dict[ShortCircuit, Tables]:
    """Published results with the detector of ``config``, of any ID set and seed.

    Those with the usual OOD sets and the usual place are taken, in the order of the ID sets.
    """
    found: dict[ShortCircuit, Tables] = {}
    for name in _TABLES:
        for parameters, table in read_published_tables(ShortCircuit.name, name):
            varied = {key: parameters[key] for key in ("id_dataset", "seed")}
            usual = replace(config, **varied, ood_datasets=(), split_at="")
            if parameters == usual.parameters():
                found.setdefault(usual, {})[name] = table
    order = list(USUAL_OOD_OF_CLASSIFIERS)
    chosen = sorted(found, key=lambda each: (order.index(each.id_dataset), each.seed))
    return {classifier: found[classifier] for classifier in chosen}


def classifier_title(config: ShortCircuit) -> str:
    """Which classifier it is, for a reader."""
    return f"{title_of(config.id_dataset)}, seed {config.seed}"


def detectors_by_classifier(classifiers: Classifiers) -> pd.DataFrame:
    """Mean AUROC over the OOD sets: a row for each detector, a column for each classifier."""
    table = _columns(classifiers, lambda _, tables: tables["means"].set_index("detector")["auroc"])
    return table.sort_values(list(table), ascending=False)


def choices_by_classifier(classifiers: Classifiers) -> pd.DataFrame:
    """Mean AUROC with 5 % of the features at zero, exact pass, by how they were chosen.

    A row for each classifier, a column for each choice, and "none cut".
    """
    return _columns(classifiers, lambda study, tables: _by_choice(study, tables["ablation"])).T


def claims_by_classifier(classifiers: Classifiers) -> pd.DataFrame:
    """Verdict and main number of each claim about scores, one column for each classifier."""

    def verdicts(study: ShortCircuit, tables: Tables) -> pd.Series:
        claims = claims_about_scores(tables, study.id_dataset, study.plain_score)
        # What follows a semicolon is told where the claim stands alone.
        numbers = {each.text: each.number.partition(";")[0] for each in claims}
        return pd.Series({each.text: f"{each.judgement}: {numbers[each.text]}" for each in claims})

    return _columns(classifiers, verdicts)


def _columns(
    classifiers: Classifiers, column: Callable[[ShortCircuit, Tables], pd.Series]
) -> pd.DataFrame:
    return pd.DataFrame(
        {classifier_title(study): column(study, tables) for study, tables in classifiers.items()}
    )


def _by_choice(study: ShortCircuit, ablation: pd.DataFrame) -> pd.Series:
    """Mean AUROC by how the features were chosen, of one classifier, from its ablations."""
    here = ablation[(ablation["at"] == study.split_at) & (ablation["fraction"] == _SHARE)]
    zeroed = here[(here["intervention"] == "zero") & here["exact"]]
    chosen = zeroed.groupby("importance", observed=True, sort=False)["auroc"].mean()
    chosen.index = chosen.index.astype(str)
    uncut = ablation.loc[ablation["at"] == "nowhere", "auroc"].mean()
    return pd.concat((chosen, pd.Series({_UNCUT: uncut})))


def changes_by_classifier(classifiers: Classifiers, against: str) -> str:
    """Mean AUROC of GSC minus that of another detector, of each classifier, as one text."""
    return ", ".join(
        f"{as_text(*gsc_less(tables['means'], against))} ({classifier_title(config)})"
        for config, tables in classifiers.items()
    )


def words(
    config: ShortCircuit, tables: Tables, verdicts: Sequence[Claim], published: Classifiers
) -> Texts:
    """The verdicts, and the place of GSC among the detectors.

    Args:
        config: one study.
        tables: of its result.
        verdicts: its claims, judged.
        published: all published classifiers.
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
    }


def words_of_parts(
    config: ShortCircuit, tables: Tables, published: Classifiers, both: pd.DataFrame
) -> Texts:
    """What the choice of features and the first order bring, and what a flow's gradients share.

    Args:
        config: one study.
        tables: of its result.
        published: all published classifiers.
        both: of its :func:`~earlyglow_book.chapters.gradient_short_circuit.bridge.bridge`.
    """
    choices = choices_by_classifier(published)
    best = choices.drop(columns=_UNCUT, errors="ignore").idxmax(axis=1)
    return {
        "id": title_of(config.id_dataset),
        "place": config.split_at,
        "classifiers": str(len(published)),
        "gradient_best": str(sum(best == "gradient")),
        **_of_ablations(config, tables["ablation"], tables["order"]),
        **_of_both(config, both),
    }


def _of_all_classifiers(published: Classifiers, plain: str) -> Texts:
    """What cutting features changes on the published classifiers; empty where there is none."""
    better, worse, losses = [], [], []
    for study, tables in published.items():
        _, low, high = gsc_less(tables["means"], plain)
        better += [title_of(study.id_dataset)] if low > 0 else []
        worse += [title_of(study.id_dataset)] if high < 0 else []
        losses.append(-tables["accuracy"].set_index("detector").loc[GSC, "change"])
    return {
        "changes": changes_by_classifier(published, plain) or "none published",
        "classifiers": str(len(published)),
        "better_sets": ", ".join(dict.fromkeys(better)) or "none",
        "worse_sets": ", ".join(dict.fromkeys(worse)) or "none",
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


def _of_ablations(config: ShortCircuit, ablation: pd.DataFrame, order: pd.DataFrame) -> Texts:
    """Exact passes by choice of features, and where the first order is furthest from them."""
    means = _by_choice(config, ablation)
    chosen = means.drop(_UNCUT)
    worst = order.loc[order["change"].abs().idxmax()]
    return {
        "choices": ", ".join(f"{name} {auroc:.3f}" for name, auroc in chosen.items()),
        "few_uncut": f"{means[_UNCUT]:.3f}",
        "few": f"{ablation['n_id'].max():,}",
        "order_worst": with_interval(worst, "change"),
        "order_worst_place": str(worst["at"]),
        "order_worst_fraction": f"{worst['fraction']:.0%}",
    }


def _of_both(config: ShortCircuit, both: pd.DataFrame) -> Texts:
    inside = both[both["dataset"] == config.id_dataset].iloc[0]
    outside = both[both["dataset"] != config.id_dataset]
    correlation = inside[["correlation", "correlation_low", "correlation_high"]]
    texts = {"correlation": as_text(*correlation), "shared": str(len(outside))}
    for kind in KINDS:
        texts[f"bridge_{kind.split()[0]}"] = f"{outside[f'auroc {kind}'].mean():.3f}"
    return texts
