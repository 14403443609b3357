"""Which epoch and which reading, chosen without OOD images, and what each choice costs.

``aurocs`` are of :func:`read_half_aurocs`, ``id_only`` the long flows' table of that name, of
one objective, ``statistics`` its part of one flow (index statistic, a column for each trained
epoch), ``early`` the early epoch, and ``regrets`` are those of :func:`regret_rows`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from earlyglow_book.chapters.long_flows import LongFlows, counts
from earlyglow_book.chapters.tools import inference, regret, style
from earlyglow_book.deferred import pd
from earlyglow_book.parameters import Field, parameters
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import score_titles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

PAPER, NEIGHBOURS = "layer_gradients", "neighbours"
# How the stored statistics of made OOD images name the readings.
_SHORT = {PAPER: "paper", NEIGHBOURS: "neighbours"}
_TITLES = score_titles(PAPER, NEIGHBOURS)
# Made OOD images as the stored statistics name them, and as readers do.
_MADE = {
    "blurred": "blurred images",
    "noisy": "noisy images",
    "patches shuffled": "shuffled patches",
    "latent tails": "latents from the tails",
}
# Statistic, and whether the epoch of its largest or smallest value is taken.
_STATISTICS = {
    "fewest bits on the fit half": ("bits_fit", min),
    "sharpest log norms": ("sharpness", max),
    "most effective dimensions": ("participation_ratio", max),
    "evenest losses": ("loss_entropy", max),
    "narrowest training norms": ("spread_ratio", min),
    "stablest halves": ("split_half_stability", max),
    "training images nearest": ("p_value_distance", min),
}
LAST = "last epoch"
LARGE = 0.05
Choice = tuple[float, str]
Chosen = dict[str, Choice]


@parameters
class WhichEpoch(LongFlows):
    """Criteria that see ID images alone, and their regret."""

    name: ClassVar[str] = "which_epoch"

    objective: Literal["log_prob", "sum_z"] = Field(
        default="log_prob", description="What the score differentiates."
    )
    group_size: Literal[1, 5] = Field(default=1, description="Images in a group (b).")


def read_half_aurocs(chapter: WhichEpoch) -> pd.DataFrame:
    """AUROCs of both readings on either half of the images: index ``FLOW`` and ood."""
    rows = chapter.read_rows("histograms")
    chosen = rows[
        (rows["objective"] == chapter.objective)
        & (rows["group_size"] == chapter.group_size)
        & rows["detector"].isin(list(_SHORT))
        & (rows["epoch"] > 0)
    ]
    parts = {
        flow: regret.half_aurocs(part, flow[0], flow[2]) for flow, part in regret.by_flow(chosen)
    }
    return pd.concat(parts, names=FLOW)


def epoch_choices(statistics: pd.DataFrame, reading: str, early: float) -> Chosen:
    """What each criterion chooses for one flow under a reading, by the criterion's name."""
    epochs = sorted(statistics.columns)
    found = {"first epoch": epochs[0], "50,000 images": early, LAST: epochs[-1]}
    for name, (statistic, best) in _STATISTICS.items():
        values = statistics.loc[statistic].dropna()
        found[name] = values.idxmin() if best is min else values.idxmax()
    made = _made_aurocs(statistics, reading)
    for name in made.index:
        found[f"best on {_MADE[name]}"] = made.loc[name].idxmax()
    found["best on all made images"] = made.mean().idxmax()
    return {name: (float(epoch), reading) for name, epoch in found.items()}


def reading_choices(statistics: pd.DataFrame) -> Chosen:
    """What chooses the reading, at the last epoch."""
    last = max(statistics.columns)
    on_made = {name: _made_aurocs(statistics, name)[last].mean() for name in _SHORT}
    fixed = {_TITLES[name]: (float(last), name) for name in _SHORT}
    return fixed | {"best on all made images": (float(last), max(on_made, key=on_made.__getitem__))}


def joint_choices(statistics: pd.DataFrame, early: float) -> Chosen:
    """What chooses both."""
    found = {}
    for name in _SHORT:
        for rule in (LAST, "50,000 images", "fewest bits on the fit half"):
            found[f"{rule}, {_TITLES[name]}"] = epoch_choices(statistics, name, early)[rule]
    means = {name: _made_aurocs(statistics, name).mean() for name in _SHORT}
    best = max(_SHORT, key=lambda name: means[name].max())
    return found | {"best on all made images": (float(means[best].idxmax()), best)}


def _made_aurocs(statistics: pd.DataFrame, reading: str) -> pd.DataFrame:
    """AUROCs of a reading on OOD images made of ID images: index kind, columns epoch."""
    names = {f"{kind}_{_SHORT[reading]}": kind for kind in _MADE}
    return statistics.reindex(list(names)).rename(names).dropna(how="all")


def regret_rows(
    aurocs: pd.DataFrame, id_only: pd.DataFrame, early: float, question: str
) -> pd.DataFrame:
    """Regret of every criterion for one question: index ``FLOW`` and ood, a column a criterion.

    The question is "reading", "both", or the reading whose epoch is asked for.
    """
    aurocs, parts = aurocs.sort_index(), {}
    for flow, statistics in _by_flow(id_only):
        if question == "reading":
            choices = reading_choices(statistics)
        elif question == "both":
            choices = joint_choices(statistics, early)
        else:
            choices = epoch_choices(statistics, question, early)
        of_flow = _among(aurocs.loc[flow], question)
        choices["tuned on other sets"] = tuned_elsewhere(_among(aurocs, question), flow[0])
        parts[flow] = regret.regrets(of_flow, choices)
    return pd.concat(parts, names=FLOW)


def _by_flow(id_only: pd.DataFrame) -> Iterator[tuple[tuple[str, str, int], pd.DataFrame]]:
    for flow, part in regret.by_flow(id_only[id_only["epoch"] > 0]):
        yield flow, part.pivot(index="statistic", columns="epoch", values="value").astype(float)


def _among(aurocs: pd.DataFrame, question: str) -> pd.DataFrame:
    """The columns among which a question chooses."""
    epochs = aurocs.columns.get_level_values("epoch")
    readings = aurocs.columns.get_level_values("detector")
    if question == "both":
        return aurocs
    return aurocs.loc[
        :, (epochs == epochs.max()) if question == "reading" else readings == question
    ]


def tuned_elsewhere(aurocs: pd.DataFrame, id_dataset: str) -> Choice:
    """The epoch and reading that are best on average over pairs without an ID set, in any role.

    Where there are none, the last epoch's first reading.
    """
    names = aurocs.index
    apart = (names.get_level_values("id_dataset") != id_dataset) & (
        names.get_level_values("ood") != id_dataset
    )
    means = aurocs[apart].T.groupby(level=["epoch", "detector"]).mean().T.mean()
    if not apart.any():
        return max(means.index)
    epoch, reading = means.idxmax()
    return float(epoch), str(reading)


def regret_table(regrets: pd.DataFrame, against: str) -> pd.DataFrame:
    """Regrets for readers, the smallest first.

    Mean regret with the node jackknife's interval; by how much it is smaller than that of the
    criterion ``against``; the share of pairs and flows that lose more than .05.
    """
    rows = []
    for name in mean_regrets(regrets).sort_values().index:
        saved = regrets[against] - regrets[name]
        rows.append(
            {
                "criterion": name,
                "regret": str(inference.mean_over_sets(regrets[name])),
                f"saved against {against}": str(inference.mean_over_sets(saved)),
                "loses > .05": f"{(regrets[name] > LARGE).mean():.0%}",
            }
        )
    return pd.DataFrame(rows).set_index("criterion")


def mean_regrets(regrets: pd.DataFrame) -> pd.Series:
    """Mean regret of each criterion, each pair of sets counted once, whatever its models."""
    return pd.Series({name: inference.mean_over_sets(regrets[name]).value for name in regrets})


def best_epochs(aurocs: pd.DataFrame, images_per_epoch: int) -> Figure:
    """How often each checkpoint has the highest AUROC, of both readings."""
    means = aurocs.T.groupby(level=["epoch", "detector"]).mean().T
    epochs = sorted(means.columns.get_level_values("epoch").unique())
    with style.style():
        figure, (axis,) = style.panels(1, height=3.0)
        for i, name in enumerate(_SHORT):
            best = means.xs(name, axis=1, level="detector").idxmax(axis=1)
            shares = [float((best == epoch).mean()) for epoch in epochs]
            places = [place + 0.4 * (i - 0.5) for place in range(len(epochs))]
            axis.bar(places, shares, width=0.38, color=style.COLOURS[2 * i], label=_TITLES[name])
        seen = [f"{epoch * images_per_epoch:,.0f}" for epoch in epochs]
        axis.set_xticks(range(len(epochs)), seen, rotation=30, ha="right")
        axis.set_xlabel("images seen")
        axis.set_ylabel("share of flows and OOD sets")
        axis.legend()
    return figure


def chosen_epochs(id_only: pd.DataFrame, early: float, images_per_epoch: int) -> pd.DataFrame:
    """The smallest, middle and largest choice of each criterion over flows, in images seen."""
    parts = []
    for _, statistics in _by_flow(id_only):
        choices = epoch_choices(statistics, NEIGHBOURS, early)
        parts.append({name: epoch * images_per_epoch for name, (epoch, _) in choices.items()})
    table = pd.DataFrame(parts).quantile([0, 0.5, 1], interpolation="nearest").T
    table.columns = ["smallest", "middle", "largest"]
    return table.map("{:,.0f}".format)


def words(regrets: dict[str, pd.DataFrame], defaults: dict[str, str]) -> Texts:
    """How many criteria were tried, how many beat the default, and what the best ones cost.

    Args:
        regrets: by question.
        defaults: the criterion that each question's are compared with.
    """
    texts = counts(next(iter(regrets.values())).index.to_frame(index=False))
    for question, table in regrets.items():
        default, best = defaults[question], mean_regrets(table).idxmin()
        others = [name for name in table if name != default]
        saved = {n: inference.mean_over_sets(table[default] - table[n]) for n in others}
        texts |= {
            f"{question}_tried": str(len(others)),
            f"{question}_better": str(sum(mean.low > 0 for mean in saved.values())),
            f"{question}_worse": str(sum(mean.high < 0 for mean in saved.values())),
            f"{question}_by_chance": f"{0.025 * len(others):.1f}",
            f"{question}_default": str(inference.mean_over_sets(table[default])),
            f"{question}_best": str(best),
            f"{question}_best_regret": str(inference.mean_over_sets(table[best])),
        }
    return texts
