"""Familiar images under disturbances: are they noticed, and how many false alarms are they?

``rows`` are of one flow's table "shifts", ``published`` of all flows', with their flow in front.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import (
    image_changes,
    image_shifts,
    lines,
    reading,
    stored,
    style,
)
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.plan_study import TwoEpochStudy
from earlyglow_book.flow_runs.profiles import find_profile
from earlyglow_book.flow_runs.protocol import FIT, OBJECTIVES
from earlyglow_book.flow_runs.study import Checkpoints, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.texts import Texts
from earlyglow_book.titles import model_title, score_titles, title_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

FALSE_ALARMS = 0.05
_TITLES = score_titles("layer_gradients", "neighbours", "likelihood", "typicality", "no_flow")


@parameters
class Shift(TwoEpochStudy):
    """Scores of ID test images, half of them disturbed, at an early epoch and the last."""

    name: ClassVar[str] = "shift"
    version: ClassVar[int] = 1

    id_dataset: IdDataset = "fashion_mnist"

    def run_settings(self) -> dict[str, Any]:
        changed = {"objectives": OBJECTIVES[:1], "duplicates": 0.0, "only_groups": (1,)}
        return super().run_settings() | changed

    def settings(self) -> dict[str, Any]:
        severities = {
            name: list(getattr(image_shifts, name.upper())) for name in image_shifts.SHIFTS
        }
        return {"epochs_read": list(self.read_epochs), "shifts": severities}

    def sets_to_measure(self) -> Sets:
        """The fit half, and two parts of the eval half: one as it is, and one in every disguise."""
        sets = self.run.load_sets()
        own = sets[self.id_dataset]
        middle = len(own) // 2
        untouched, rest = own.take(torch.arange(middle)), own.take(torch.arange(middle, len(own)))
        return {FIT: sets[FIT], self.id_dataset: untouched, _shifted("none", 0): rest} | {
            _shifted(name, severity): image_changes.as_image_set(change(rest.images, severity))
            for name, change in image_shifts.SHIFTS.items()
            for severity in image_shifts.SEVERITIES
        }

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        scored = [name for name in sets if name != FIT]
        pictures = reading.picture_statistics(sets)
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        for checkpoint in checkpoints:
            scores, _ = reading.scores_of(checkpoint, scored, 1, OBJECTIVES[0])
            scores |= reading.likelihood_scores(checkpoint, scored, 1)
            scores |= reading.control_scores(pictures, 1)
            for name in _TITLES:
                rows = alarm_rows(scores[name], self.id_dataset)
                parts["shifts"].append(rows.assign(detector=name, epoch=checkpoint.epoch))
        return stored.joined_parts(parts)


def _shifted(name: str, severity: int) -> str:
    return f"{name} {severity}"


def alarm_rows(scores: dict[str, Tensor], id_dataset: str) -> pd.DataFrame:
    """AUROC and share of alarms of every disguise.

    The threshold is that of the ID images as they are; the disguised ones are others.

    Args:
        scores: (N,) by set, the ID set among them, and the others named "shift severity".
        id_dataset: the ID set.

    Returns:
        Columns shift, severity, auroc, alarms.
    """
    own = scores[id_dataset]
    limit = eg.threshold(own, FALSE_ALARMS)
    rows = []
    for key, values in scores.items():
        if key != id_dataset:
            shift, severity = key.rsplit(" ", 1)
            alarms = float((values > limit).double().mean())
            rows.append((shift, int(severity), eg.auroc(own, values), alarms))
    return pd.DataFrame(rows, columns=["shift", "severity", "auroc", "alarms"])


def over_severity(rows: pd.DataFrame, epoch: float, value: str) -> Figure:
    """A value of each reading against the severity, "auroc" or "alarms", a panel for each shift."""
    own = rows[rows["epoch"] == epoch]
    own = own.assign(reading=own["detector"].map(_TITLES))
    start = own[own["shift"] == "none"]
    shifts = [str(name) for name in own["shift"].unique() if name != "none"]
    panels = {name: pd.concat([start, own[own["shift"] == name]]) for name in shifts}
    label = {"auroc": "AUROC against undisturbed images", "alarms": "share of alarms"}[value]
    return lines.line_panels(
        {name: table.rename(columns={value: label}) for name, table in panels.items()},
        "severity",
        label,
        "reading",
        lines.ticked("severity", logarithmic=False),
        label,
        3.2,
        reference=(FALSE_ALARMS, "allowed") if value == "alarms" else (0.5, "chance"),
    )


def alarms_table(rows: pd.DataFrame, epoch: float, severity: int = 1) -> pd.DataFrame:
    """Share of alarms under each shift at one severity, and without any; a column a reading."""
    chosen = rows[(rows["epoch"] == epoch) & rows["severity"].isin((0, severity))]
    table = chosen.pivot(index="shift", columns="detector", values="alarms")
    return table.reindex(chosen["shift"].unique())[list(_TITLES)].rename(columns=_TITLES)


def disguises(chapter: Shift) -> dict[str, NDArray[np.uint8]]:
    """One image as it is and under each shift, by severity.

    It is the ID set's first test image, or an embedded one where that may not be shown or is not on
    this machine, as a stored result needs no images. Images are uint8 (6, C, H, W) by the name of
    the shift.
    """
    image = _image_to_show(chapter.id_dataset)
    return {
        name: torch.cat([image, *(change(image, s) for s in image_shifts.SEVERITIES)]).numpy()
        for name, change in image_shifts.SHIFTS.items()
    }


def _image_to_show(name: str) -> torch.Tensor:
    kind = eg.DATASETS[name]
    embedded = "digits" if kind.shape[0] == 1 else "textures"
    try:
        return eg.load_images(name if kind.may_be_shown else embedded, "test").images[:1]
    except eg.DatasetError:
        return eg.load_images(embedded, "test").images[:1]


def mild_alarms(published: pd.DataFrame) -> pd.DataFrame:
    """Alarms at the first severity, mean over shifts: flow, detector, epoch, alarms."""
    mild = published[published["severity"] == 1]
    keys = [*FLOW, "detector", "epoch"]
    return mild.groupby(keys, observed=True)["alarms"].mean().reset_index()


def over_training(published: pd.DataFrame) -> Figure:
    """:func:`mild_alarms` of the paper's score and nearest neighbours, a line for each flow."""
    means = mild_alarms(published)
    means = means.assign(images=means["epoch"] * (find_profile("long").images_per_epoch or 0))
    seen = sorted(means["images"].unique())
    with style.style():
        figure, axes = style.panels(2, height=3.6, share_y=True)
        for axis, detector in zip(axes, list(_TITLES)[:2], strict=True):
            rows = means[means["detector"] == detector]
            for (name, model, seed), flow in rows.groupby(FLOW, observed=True):
                # Sets of one colour differ in their markers; models differ in their dashes.
                look = style.line_style(str(name)) | {"ls": "-" if model == "glow" else "--"}
                title = f"{title_of(str(name))}, {model_title(str(model))}"
                label = title if seed == rows["seed"].min() else "_repeated"
                axis.plot(flow["images"], flow["alarms"], label=label, **look)
            axis.set_title(_TITLES[detector])
            axis.set_xscale("log")
            axis.set_xticks(seen, [style.short_number(number) for number in seen])
            axis.minorticks_off()
            axis.set_xlabel("images seen")
        axes[0].set_ylabel("share of alarms")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    return figure


def words_of_flows(published: pd.DataFrame) -> Texts:
    """How alarms at the mildest severity change from early to late, over all flows."""
    table = mild_alarms(published).pivot(index=FLOW, columns=["detector", "epoch"])["alarms"]
    early, late = sorted(published["epoch"].unique())
    texts = {"flows": str(len(table))}
    for name in ("layer_gradients", "neighbours", "typicality"):
        change = table[name, late] - table[name, early]
        least, most = f"{change.min():+.0%}", f"{change.max():+.0%}"
        texts[f"change_{name}"] = f"{change.mean():+.0%} ({least} to {most})"
        texts[f"more_{name}"] = str((change > 0).sum())
        texts[f"alarms_{name}"] = f"{table[name, late].mean():.0%}"
    texts["alarms_no_flow"] = f"{table['no_flow', late].mean():.0%}"
    return texts


def words(chapter: Shift, rows: pd.DataFrame) -> Texts:
    """Alarms under the mildest shifts and the strongest, early and late."""
    early, late = chapter.read_epochs
    texts = {
        "id": title_of(chapter.id_dataset),
        "allowed": f"{FALSE_ALARMS:.0%}",
        "early_images": chapter.titles[early],
        "late_images": chapter.titles[late],
    }
    by_shift = rows.set_index(["detector", "epoch", "shift", "severity"])["alarms"]
    by_shift = by_shift.sort_index()
    for name in _TITLES:
        for when, epoch in (("early", early), ("late", late)):
            own = by_shift[name, epoch]
            texts[f"{name}_none_{when}"] = f"{own['none', 0]:.0%}"
            for severity, word in ((1, "mild"), (5, "strong")):
                values = own.drop("none", level="shift").xs(severity, level="severity")
                texts[f"{name}_{word}_{when}"] = f"{values.mean():.0%}"
                texts[f"{name}_{word}_most_{when}"] = f"{values.max():.0%}"
                texts[f"{name}_{word}_worst_{when}"] = str(values.idxmax())
    return texts
