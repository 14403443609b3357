"""What the page shows of the norms: figures, tables and words.

Arguments are the chapter's tables of these names; ``images`` has a title for each epoch.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from earlyglow_book.chapters.norm_geometry import NormGeometry
from earlyglow_book.chapters.readings import Readings
from earlyglow_book.experiment import result_of
from earlyglow_book.figures import heatmaps, style
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.results import Tables
from earlyglow_book.tables.aurocs import of_log_prob
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.published_rows import read_published_rows
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import model_title, title_of

_SHOWN_AXES = 5
_SCORES = {"layer_gradients": "sum of squares", "neighbours": "5 nearest neighbours"}


def blocks_side_by_side(correlation: pd.DataFrame, images: dict[float, str]) -> Figure:
    """Mean correlation between the log norms of the flow's parts, a panel for each epoch."""
    panels = {}
    for epoch, rows in correlation.groupby("epoch"):
        order = list(dict.fromkeys(rows["first"]))
        wide = rows.pivot(index="first", columns="second", values="value")
        panels[images[float(epoch)]] = wide.loc[order, order].rename_axis(index="", columns="")
    return heatmaps.correlation_heatmaps(panels)


def along_axes(axes: pd.DataFrame, id_dataset: str, images: dict[float, str]) -> Figure:
    """Where sets lie along the leading axes: mean and spread, in the fit images' deviations."""
    names = [name for name in axes["dataset"].unique() if name not in (FIT, id_dataset)]
    with style.style():
        figure, panels = style.panels(len(images), height=3.4, share_y=True)
        for panel, (epoch, title) in zip(panels, images.items(), strict=True):
            chosen = axes[(axes["epoch"] == epoch) & (axes["axis"] <= _SHOWN_AXES)]
            for i, name in enumerate((id_dataset, *names)):
                rows = chosen[chosen["dataset"] == name]
                places = rows["axis"] + 0.7 * ((i + 0.5) / (len(names) + 1) - 0.5)
                line = style.line_style(name) | {"ls": "none", "label": title_of(name), "ms": 4}
                panel.errorbar(places, rows["mean"], rows["deviation"], **line)
            panel.set_yscale("symlog", linthresh=3)
            panel.axhline(0, color="0.5", lw=1, ls=":")
            panel.set_xticks(range(1, _SHOWN_AXES + 1))
            panel.set_xlabel("principal axis")
            panel.set_title(title)
        panels[0].set_ylabel("larger norms →\n(ID deviations)")
        style.legend(figure, panels)
    return figure


def shift_table(shift: pd.DataFrame, images: dict[float, str]) -> pd.DataFrame:
    """The shift that all tensors share, for readers."""
    table = shift.assign(images=shift["epoch"].map(images), set=shift["ood"].map(title_of))
    table["share, ID"] = [f"{share:.0%}" for share in table["share_id"]]
    table["share, OOD"] = [f"{share:.0%}" for share in table["share_ood"]]
    titles = {"auroc_all": "score", "auroc_shift": "shift alone", "auroc_rest": "rest alone"}
    chosen = table.set_index(["images", "set"]).rename(columns=titles)
    return chosen[["share, ID", "share, OOD", *titles.values()]].round(3)


def outputs_against_gradients(outputs: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """Mean AUROC at each flow's last epoch: gradient norms, output norms, no flow.

    Both are of all flows, with the flow's columns in front; readings are another chapter's table.
    """
    rows = []
    for flow, part in outputs.groupby(FLOW):
        last = part["epoch"].max()
        same = (readings["epoch"] == last) & (readings[FLOW] == list(flow)).all(axis=1)
        gradients = of_log_prob(readings[same]).groupby("detector")["auroc"].mean()
        means = part[part["epoch"] == last].groupby("detector")["auroc"].mean()
        row = {"ID set": title_of(str(flow[0])), "flow": model_title(str(flow[1]))}
        for name, title in _SCORES.items():
            row |= {f"gradients, {title}": gradients[name], f"outputs, {title}": means[name]}
        rows.append({**row, "no flow": gradients["no_flow"]})
    return pd.DataFrame(rows).set_index(["ID set", "flow"]).round(3)


def read_all_flows(profile: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is published of output norms, and the readings of the same flows."""
    outputs = read_published_rows("norm_geometry", "outputs", profile)
    return outputs, read_published_rows("readings", "readings", profile)


def read_own_readings(chapter: NormGeometry) -> pd.DataFrame:
    """The readings of the shown flow itself, computed where they are not stored."""
    facts = {name: getattr(chapter, name) for name in FLOW}
    of_same = Readings(
        chapter.id_dataset, chapter.ood_datasets, chapter.profile, chapter.seed, chapter.model
    )
    return result_of(of_same).tables["readings"].assign(**facts)


def words(chapter: NormGeometry, tables: Tables, compared: pd.DataFrame) -> Texts:
    """Shares, and means over flows, ``compared`` by :func:`outputs_against_gradients`."""
    early, late = chapter.read_epochs
    shift = tables["shift"].set_index("epoch")
    leading = tables["axes"].query("dataset == @FIT and axis == 1").set_index("epoch")["share"]
    texts = {
        "id": title_of(chapter.id_dataset),
        "flow": model_title(chapter.model),
        "flows": str(len(compared)),
        "higher": str(int((compared.iloc[:, 3] > compared.iloc[:, 2]).sum())),
        "first_axis_early": f"{leading[early]:.0%}",
        "first_axis_late": f"{leading[late]:.0%}",
        "share_early": f"{shift.loc[[early], 'share_id'].mean():.0%}",
        "share_late": f"{shift.loc[[late], 'share_id'].mean():.0%}",
        "shift_late": f"{shift.loc[[late], 'auroc_shift'].mean():.3f}",
        "rest_late": f"{shift.loc[[late], 'auroc_rest'].mean():.3f}",
        "all_late": f"{shift.loc[[late], 'auroc_all'].mean():.3f}",
    }
    for column in compared:
        texts[column.replace(", ", "_").replace(" ", "_")] = f"{compared[column].mean():.3f}"
    return texts
