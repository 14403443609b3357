"""Tables as readers see them: titles in the place of column names and keys."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.titles import detector_title, model_title, title_of

_LEVELS = {
    "ood": "OOD set",
    "id": "ID set",
    "id_dataset": "ID set",
    "dataset": "set",
    "group_size": "images in a group",
    "ood_images": "OOD images in the group",
    "n_id": "ID scores",
    "n_ood": "OOD scores",
    "train_images": "training images",
    "case": "flow",
    "contender": "what",
}
_COLUMNS = {
    "auroc": "AUROC",
    "aupr": "AUPR",
    "fpr95": "FPR95",
    "calibration_error": "calibration error",
    "cross_entropy": "cross-entropy",
    "mean_level": "mean level",
    "bright_share": "bright share",
    "mean_step": "mean step",
    "images_per_second": "images/s",
    "times_loop": "times the loop",
    "times_eager": "times eager",
    "ms_in_kernels": "ms in kernels",
    "ms_per_image": "ms an image",
    "peak_gib": "peak GiB",
    "gflop_per_image": "Gflop an image",
    "gflop_per_second": "Gflop/s",
    "share_of_peak": "share of the peak",
    "floor_ms": "floor, ms",
    "best_times_loop": "floor, times the loop",
}
_OBJECTIVES = {"log_prob": "log p", "sum_z": "Σ z"}
_SETS = ("ood", "id", "id_dataset", "dataset")
_MERGED = ["detector", "objective"]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with titles in both of its axes; the order of rows and columns stays.

    Levels that are named as in the stored tables get a reader's name; sets, models and detectors
    get their titles. A detector and what it differentiates become one level, "score". Labels of an
    axis without names are columns of a stored table. A dash stands for a missing number.
    """
    gaps = [place for place in range(table.shape[1]) if table.iloc[:, place].isna().any()]
    shown = table.set_axis(_titled(table.index), axis=0).set_axis(_titled(table.columns), axis=1)
    for place in gaps:
        column = table.iloc[:, place].astype(object)
        shown.isetitem(place, column.where(column.notna(), "–").to_numpy())
    return shown


def _titled(index: pd.Index) -> pd.Index:
    if any(name is None for name in index.names):
        return index if index.nlevels > 1 else index.map(lambda name: _COLUMNS.get(name, name))
    levels = index.to_frame(index=False)
    if set(_MERGED) <= set(levels):
        place = list(levels).index("detector")
        titles = [detector_title(*pair) for pair in levels[_MERGED].astype(str).to_numpy()]
        levels = levels.drop(columns=_MERGED)
        levels.insert(min(place, levels.shape[1]), "score", titles)
    for name in levels:
        levels[name] = _level(str(name), levels[name])
    levels = levels.rename(columns=_LEVELS)
    if levels.shape[1] == 1:
        return pd.Index(levels.iloc[:, 0], name=levels.columns[0])
    return pd.MultiIndex.from_frame(levels)


def _level(name: str, values: pd.Series) -> pd.Series:
    if name in _SETS:
        return values.astype(str).map(title_of)
    if name == "model":
        return values.astype(str).map(model_title)
    if name == "objective":
        return values.astype(str).map(lambda objective: _OBJECTIVES.get(objective, objective))
    if name == "detector":
        return values.astype(str).map(lambda detector: detector_title(detector, ""))
    # Epochs and shares without the zeros that pandas appends to align them.
    if pd.api.types.is_float_dtype(values):
        return values.map("{:g}".format)
    return values
