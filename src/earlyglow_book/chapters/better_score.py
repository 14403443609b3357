"""The plan's hypotheses judged: does the immature flow win, or does the score lose?

``readings``, ``curve`` and ``id_only`` are the long flows' tables of these names, ``numbers`` are
of :func:`~earlyglow_book.tables.hypotheses.statistics`, and ``judged`` says what became of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.long_flows import SCORES, LongFlows, counts, scores_of_single_images
from earlyglow_book.chapters.tools import hypotheses, inference, intervals, lines, maturity, style
from earlyglow_book.deferred import pd
from earlyglow_book.parameters import parameters
from earlyglow_book.tables.columns import PAIR, SETS
from earlyglow_book.tables.texts import Texts, as_text
from earlyglow_book.titles import model_title, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@parameters
class BetterScore(LongFlows):
    """The plan's hypotheses, from the long flows."""

    name: ClassVar[str] = "better_score"


def aurocs_of_flows(chapter: BetterScore, readings: pd.DataFrame) -> pd.DataFrame:
    """The confirmatory cell: AUROCs of every pair at early and late; reads fit halves' bits."""
    late = maturity.late_epochs(chapter.read_rows("fit_bits"))
    return hypotheses.pair_aurocs(readings, chapter.early, late)


def two_readings(readings: pd.DataFrame, images_per_epoch: int) -> Figure:
    """The figure to remember: mean AUROC against images seen, colour and grey ID sets."""
    rows = scores_of_single_images(readings[~readings["id_dataset"].isin(hypotheses.IDEA_SETS)])
    rows = rows.assign(
        images=rows["epoch"] * images_per_epoch, family=rows["id_dataset"].map(family)
    )
    panels = {}
    for name, part in rows.groupby("family", sort=False):
        of_pairs = part.groupby(["score", "images", *PAIR])["auroc"].mean()
        means = of_pairs.groupby(["score", "images"]).mean().reset_index(name="mean")
        panels[f"{name} ID sets ({part['id_dataset'].nunique()})"] = means
    return lines.line_panels(
        panels, "images", "mean", "score", style.images_axis, "mean AUROC, single images", 3.6
    )


def family(dataset: str) -> str:
    """Whether the images of a set are grey or colour."""
    return "grey" if eg.DATASETS[dataset].shape[0] == 1 else "colour"


def judgements(judged: pd.DataFrame) -> pd.DataFrame:
    """The hypotheses for readers."""
    rows = [
        {
            "says": hypotheses.BY_ID[row.id].says,
            "number": as_text(row.value, row.low, row.high),
            "p (Holm)": f"{row.p:.2g}",
            "outcome": str(row.judgement),
        }
        for row in judged.itertuples()
    ]
    return pd.DataFrame(rows, index=pd.Index(judged["id"], name=""))


def beside(numbers: pd.DataFrame) -> pd.DataFrame:
    """Each hypothesis's number on parts of the pairs: families, models, and one set left out."""
    names = list(hypotheses.BY_ID)
    families = {name: family(name) for name in eg.DATASETS}
    rows = {"all": hypotheses.over_models(numbers)[names].mean()}
    for part, chosen in hypotheses.beside(numbers, families):
        without, _, name = part.rpartition(" ")
        title = f"{without} {title_of(name)}" if without else model_title(name)
        rows[title] = hypotheses.over_models(chosen)[names].mean()
    return pd.DataFrame(rows).T.round(3)


def forest(numbers: pd.DataFrame) -> Figure:
    """H1's and late H4's numbers of each ID set, with intervals over its OOD sets."""
    panels = {}
    for name in ("H1", "H4 late"):
        rows = []
        for (dataset, model), part in numbers[name].groupby(level=["id_dataset", "model"]):
            mean = inference.student(part.groupby(level="ood").mean())
            rows.append({"set": dataset, "model": model_title(model), **mean._asdict()})
        panels[f"{name}: {hypotheses.BY_ID[name].number}"] = pd.DataFrame(rows)
    label = "difference of AUROCs, with the interval over the OOD sets"
    return intervals.intervals_by_row(panels, "set", "model", "value", label=label, reference=0.0)


def losing_pairs(numbers: pd.DataFrame, aurocs: pd.DataFrame) -> pd.DataFrame:
    """The six pairs where neighbours lose most against the paper's score at late.

    ``aurocs`` are those that the numbers come from.
    """
    late = aurocs["late"][list(SCORES)]
    rows = late.assign(difference=numbers["H1"]).groupby(PAIR).mean()
    worst = rows.nsmallest(6, "difference").reset_index()
    for column in SETS:
        worst[column] = worst[column].map(title_of)
    worst["model"] = worst["model"].map(model_title)
    titles = {"id_dataset": "ID", "ood": "OOD"} | SCORES
    return worst.rename(columns=titles).set_index(["ID", "OOD", "model"]).round(3)


def mediation(curve: pd.DataFrame, readings: pd.DataFrame, late: pd.Series) -> Figure:
    """Mean AUROC at late by how many leading axes are removed; other axes and neighbours dotted.

    ``late`` has the late epoch of each flow.
    """
    of_curve = _at(curve[curve["objective"] == "log_prob"], late)
    means = of_curve.groupby("axes")["auroc"].mean().reset_index(name="mean")
    single = readings[(readings["group_size"] == 1) & (readings["objective"] == "log_prob")]
    at_late = _at(single, late).groupby("detector")["auroc"].mean()
    rows = [means.assign(what="leading axes removed")]
    for name, title in (
        ("placebo", "axes 21 to 25 removed"),
        ("neighbours", SCORES["neighbours"]),
    ):
        if name in at_late:
            rows.append(means.assign(mean=at_late[name], what=title))
    axis = lines.ticked("leading axes removed", logarithmic=False)
    return lines.line_panels({"": pd.concat(rows)}, "axes", "mean", "what", axis, "mean AUROC", 3.2)


def effective_dimensions(id_only: pd.DataFrame, images_per_epoch: int) -> Figure:
    """Participation ratio of the fit images' log norms against images seen, a line a flow."""
    rows = id_only[
        (id_only["statistic"] == "participation_ratio") & (id_only["objective"] == "log_prob")
    ]
    means = rows.groupby(["model", "id_dataset", "epoch"])["value"].mean().reset_index()
    means["images"] = means["epoch"] * images_per_epoch
    panels = {model_title(str(model)): part for model, part in means.groupby("model")}
    return lines.line_panels(
        panels, "images", "value", "id_dataset", style.images_axis, "effective dimensions", 3.4
    )


def _at(rows: pd.DataFrame, late: pd.Series) -> pd.DataFrame:
    """The rows at each flow's late epoch."""
    epochs = pd.MultiIndex.from_frame(rows[list(late.index.names)]).map(late)
    return rows[rows["epoch"] == epochs]


def words(judged: pd.DataFrame, aurocs: pd.DataFrame, tested: pd.DataFrame) -> Texts:
    """Outcomes and means for the text: ``aurocs`` of all flows, ``tested`` the numbers judged."""
    texts = counts(tested.index.to_frame(index=False))
    for row in judged.itertuples():
        name = row.id.lower().replace(" ", "_")
        texts[name] = as_text(row.value, row.low, row.high)
        texts[f"{name}_outcome"] = str(row.judgement)
    by_pair = hypotheses.over_models(tested)
    texts["placebo"] = str(inference.mean_over_sets(by_pair["H3 placebo"]))
    texts["h2a_d_prime"] = str(inference.mean_over_sets(by_pair["H2a d'"]))
    texts["pairs"] = str(len(by_pair))
    chosen = aurocs.loc[aurocs.index.isin(tested.index)]
    for when in ("early", "late"):
        for detector, mean in hypotheses.over_models(chosen[when]).mean().items():
            texts[f"{detector}_{when}"] = f"{mean:.3f}"
    texts["losing"] = str(int((by_pair["H1"] < 0).sum()))
    return texts
