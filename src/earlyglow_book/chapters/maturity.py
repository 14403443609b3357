"""How mature the flows are, and what more training changes for detection.

``readings`` and ``bits`` are the long flows' tables of these names, and ``judged`` their states, as
:func:`~earlyglow_book.tables.maturity.maturity_table` has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from earlyglow_book.chapters.long_flows import SCORES, LongFlows, counts, scores_of_single_images
from earlyglow_book.chapters.paper_size import PaperSize
from earlyglow_book.chapters.tools import (
    aurocs,
    hypotheses,
    inference,
    lines,
    maturity,
    published_rows,
    road,
    style,
)
from earlyglow_book.deferred import pd
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.flow_runs.protocol import EARLY_IMAGES
from earlyglow_book.parameters import parameters
from earlyglow_book.results import find_published
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import model_title, score_titles, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = score_titles("layer_gradients", "neighbours")
# How far below late an AUROC may be and still be as good.
ENOUGH = 0.02
# The readings' tables that sizes are compared by, and the profiles of larger flows.
_OF_SIZES = ("readings", "bits", "id_only")
_LARGER = {"wide": "Glow, twice the steps and width", "paper_short": "paper's Glow"}


@parameters
class Maturity(LongFlows):
    """The long flows by their bits, and their AUROCs by how mature they are."""

    name: ClassVar[str] = "maturity"


def state_table(judged: pd.DataFrame) -> pd.DataFrame:
    """The flows' states for readers: bits, what the last doubling and cooling changed, state."""
    rows = {
        "flow": [flow_title(*row) for row in judged[FLOW].itertuples(index=False)],
        "late": [f"{epoch:g}" for epoch in judged["late"]],
        "bits": judged["bits"].round(2),
        "last doubling": _changes(judged, "doubling"),
        "cooled": _changes(judged, "cooling"),
        "state": judged["state"],
    }
    return pd.DataFrame(rows).set_index("flow")


def flow_title(id_dataset: str, model: str, seed: int) -> str:
    """A flow's name for readers: "CelebA, Glow, seed 0"."""
    return f"{title_of(id_dataset)}, {model_title(model)}, seed {seed}"


def _changes(judged: pd.DataFrame, name: str) -> list[str]:
    values = zip(judged[name], judged[f"{name}_low"], judged[f"{name}_high"], strict=True)
    return [f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" for value, low, high in values]


def change_by_state(readings: pd.DataFrame, judged: pd.DataFrame, early: float) -> pd.DataFrame:
    """AUROC at early and at late, and the change, by group size, score and state of the flow.

    Intervals are the node jackknife's where there are three data sets or more.
    """
    late = judged.set_index(FLOW)["late"]
    states = judged.set_index(FLOW)["state"]
    rows = []
    for size in (1, 5):
        pairs = hypotheses.pair_aurocs(readings, early, late, size)
        state = pd.MultiIndex.from_frame(pairs.index.to_frame()[FLOW]).map(states)
        groups = [("all", pairs)]
        if states.nunique() > 1:
            groups += [(str(name), pairs[state == name]) for name in sorted(set(states))]
        for detector, title in _SHOWN.items():
            for name, part in groups:
                values = part.xs(detector, axis=1, level=1)
                change = inference.mean_over_sets(values["late"] - values["early"])
                means = {when: round(float(values[when].mean()), 3) for when in ("early", "late")}
                facts = {"images": size, "score": title, "flows": name, **means}
                rows.append({**facts, "late − early": str(change)})
    return pd.DataFrame(rows).set_index(["images", "score", "flows"]).sort_index()


def mean_curves(readings: pd.DataFrame, images_per_epoch: int) -> dict[str, pd.DataFrame]:
    """Mean AUROC over OOD sets against images seen, of each score, by ID set and model."""
    rows = scores_of_single_images(readings)
    rows = rows.assign(images=rows["epoch"] * images_per_epoch)
    found = {}
    for (name, model), part in rows.groupby(["id_dataset", "model"]):
        means = part.groupby(["score", "images"])["auroc"].mean().reset_index(name="mean")
        found[f"{title_of(name)}, {model_title(model)}"] = means
    return found


def curves_by_flow(readings: pd.DataFrame, images_per_epoch: int) -> Figure:
    """A small panel for each ID set and model: AUROC of single images against images seen."""
    curves = mean_curves(readings, images_per_epoch)
    return lines.small_multiples(curves, "images", "mean", "score", style.images_axis, "mean AUROC")


def bits_by_flow(bits: pd.DataFrame, images_per_epoch: int) -> Figure:
    """Bits of held-out ID images against images seen, colour and grey, with the paper's flows."""
    own = bits[(bits["dataset"] == bits["id_dataset"]) & (bits["epoch"] > 0)]
    means = own.groupby(["id_dataset", "model", "epoch"])["bits_per_dim"].mean().reset_index()
    means = means.assign(images=means["epoch"] * images_per_epoch)
    return road.bits_over_images(means, maturity.PAPER_BITS)


def aurocs_by_bits(readings: pd.DataFrame, bits: pd.DataFrame) -> Figure:
    """AUROC of single images against bits of held-out ID images, for each ID set."""
    trained = scores_of_single_images(readings[readings["epoch"] > 0])
    keys = ["id_dataset", "model", "epoch"]
    means = trained.groupby([*keys, "detector", "score"])["auroc"].mean().reset_index()
    own = bits[bits["dataset"] == bits["id_dataset"]].groupby(keys)["bits_per_dim"].mean()
    rows = means.merge(own.reset_index(), on=keys).sort_values("epoch")
    return road.aurocs_over_bits(rows, maturity.PAPER_BITS)


def read_sizes(chapter: Maturity) -> dict[str, pd.DataFrame]:
    """Rows for :func:`size_table`: the long flows, and what is published of larger ones."""
    once = find_published(PaperSize().inputs_on_trust()).tables
    long = {name: chapter.read_rows(name) for name in _OF_SIZES}
    parts = {}
    for model in long["bits"]["model"].unique():
        rows = [table[table["model"] == model] for table in long.values()]
        parts[f"small {model_title(model)}"] = _of_size(chapter.images_per_epoch, *rows)
    for profile, title in _LARGER.items():
        rows = [published_rows.read_published_rows("readings", n, profile) for n in _OF_SIZES]
        if not rows[0].empty:
            parts[title] = _of_size(find_profile(profile).images_per_epoch, *rows)
    parts["paper's Glow, measured once"] = at_early_and_late(once["readings"], once["bits"])
    return parts


def _of_size(
    images_per_epoch: int | None, readings: pd.DataFrame, bits: pd.DataFrame, id_only: pd.DataFrame
) -> pd.DataFrame:
    images = readings["epoch"] * (images_per_epoch or 0)
    found = at_early_and_late(readings.assign(images=images), bits)
    ratios = id_only.query("statistic == 'participation_ratio' and objective == 'log_prob'")
    dimensions = ratios.groupby(["id_dataset", "epoch"])["value"].mean().rename("dimensions")
    return found.merge(dimensions.reset_index(), how="left")


def size_table(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Bits, effective dimensions and both scores where 50,000 images are seen and at the end.

    Args:
        parts: for each size, the rows of :func:`at_early_and_late`; where they have a column
            dimensions, it is shown too.
    """
    rows = []
    for size, part in parts.items():
        for name, of_set in part.groupby("id_dataset"):
            both = of_set.set_index("when")
            scores = {title: _arrow(both[n], "{:.3f}") for n, title in _SHOWN.items()}
            no_flow = f"{both.loc['late', 'no_flow']:.3f}" if "no_flow" in both else "–"
            measured = "dimensions" in both
            facts = {
                "1,000 images": _arrow(both["images"] / 1000, "{:,.0f}"),
                "bits": _arrow(both["bits"], "{:.2f}"),
                "dimensions": _arrow(both["dimensions"], "{:.1f}") if measured else "–",
            }
            of_row = {"flow": size, "ID set": title_of(str(name))}
            rows.append({**of_row, **facts, **scores, "no flow": no_flow})
    return pd.DataFrame(rows).set_index(["flow", "ID set"])


def _arrow(values: pd.Series, form: str) -> str:
    return " → ".join(form.format(values[when]) for when in ("early", "late"))


def at_early_and_late(readings: pd.DataFrame, bits: pd.DataFrame) -> pd.DataFrame:
    """Means over OOD sets, seeds and flows of each ID set, where 50,000 images are seen and last.

    Args:
        readings: id_dataset, epoch, images (seen), detector, objective, group_size, auroc.
        bits: id_dataset, epoch, dataset, bits_per_dim.

    Returns:
        Columns id_dataset, when, epoch, images, bits, and one for each score.
    """
    single = aurocs.of_log_prob(readings)
    held_out = bits[(bits["dataset"] == bits["id_dataset"]) | (bits["dataset"] == "eval")]
    rows = []
    for name, part in single.groupby("id_dataset"):
        images = part.groupby("epoch")["images"].first()
        means = part.groupby(["epoch", "detector"])["auroc"].mean().unstack()
        of_set = held_out[held_out["id_dataset"] == name].groupby("epoch")["bits_per_dim"].mean()
        seen = images[images >= min(EARLY_IMAGES, images.max())]
        for when, epoch in (("early", seen.idxmin()), ("late", seen.idxmax())):
            scores = {n: means.loc[epoch, n] for n in SCORES if n in means}
            facts = {"epoch": epoch, "images": images[epoch], "bits": of_set[epoch]}
            rows.append({"id_dataset": name, "when": when, **facts, **scores})
    return pd.DataFrame(rows)


def enough_table(readings: pd.DataFrame, bits: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Whether a flow with the bits of the paper's first epoch is enough, for each that has them.

    Enough is: within .02 of late, and above the control without a flow.
    """
    rows = []
    for flow in judged.itertuples():
        paper = maturity.PAPER_BITS.get(flow.id_dataset)
        if paper is None:
            continue
        of_flow = _of_flow(bits, flow).query("dataset == @flow.id_dataset and epoch > 0")
        means = of_flow.set_index("epoch")["bits_per_dim"]
        nearest = (means - paper[1]).abs().idxmin()
        single = aurocs.of_log_prob(_of_flow(readings, flow))
        means_by_score = single.groupby(["epoch", "detector"])["auroc"].mean().unstack()
        for detector, title in _SHOWN.items():
            there, late = (means_by_score.loc[e, detector] for e in (nearest, flow.late))
            no_flow = means_by_score.loc[nearest, "no_flow"]
            enough = there > late - ENOUGH and there > no_flow
            rows.append(
                {
                    "ID set": title_of(flow.id_dataset),
                    "score": title,
                    "bits": f"{means[nearest]:.2f} (paper's first epoch {paper[1]:.2f})",
                    "there": round(there, 3),
                    "late": round(late, 3),
                    "no flow": round(no_flow, 3),
                    "enough": "yes" if enough else "no",
                }
            )
    columns = ["ID set", "score", "bits", "there", "late", "no flow", "enough"]
    return pd.DataFrame(rows, columns=columns).set_index(["ID set", "score"])


def _of_flow(rows: pd.DataFrame, flow: Any) -> pd.DataFrame:
    return rows[(rows[FLOW] == [getattr(flow, name) for name in FLOW]).all(axis=1)]


def words(chapter: Maturity, judged: pd.DataFrame, readings: pd.DataFrame) -> Texts:
    """How many flows are in each state, and the changes from early to late."""
    texts = counts(judged)
    for state in maturity.State:
        texts[state.name.lower()] = str(int((judged["state"] == state).sum()))
    late = judged.set_index(FLOW)["late"]
    for size, prefix in ((1, ""), (5, "groups_")):
        pairs = hypotheses.pair_aurocs(readings, chapter.early, late, size)
        for detector in _SHOWN:
            values = pairs.xs(detector, axis=1, level=1)
            change = inference.mean_over_sets(values["late"] - values["early"])
            texts[f"{prefix}{detector}_change"] = str(change)
            for when in ("early", "late"):
                texts[f"{prefix}{detector}_{when}"] = f"{values[when].mean():.3f}"
    return texts | {
        "doubling": f"{judged['doubling'].min():+.2f} to {judged['doubling'].max():+.2f}",
        "cooling": f"{judged['cooling'].min():+.2f} to {judged['cooling'].max():+.2f}",
        "epoch_images": f"{chapter.images_per_epoch:,}",
        "early_images": f"{chapter.early * chapter.images_per_epoch:,.0f}",
    }
