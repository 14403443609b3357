"""What the explorer's page moves, as scripts: a page opened from a file may not fetch anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import earlyglow as eg
from earlyglow_book.chapters.tools import regret
from earlyglow_book.deferred import np, pd
from earlyglow_book.results import Result, load, result_folders
from earlyglow_book.titles import detector_title, model_title, title_of

# Detectors and what they differentiate, in the order of the page's list.
READINGS = {
    f"{name} {objective}".strip(): (name, objective)
    for name, objective in (
        ("layer_gradients", "log_prob"),
        ("layer_gradients", "sum_z"),
        ("residual", "log_prob"),
        ("covariance", "log_prob"),
        ("neighbours", "log_prob"),
        ("likelihood", ""),
        ("typicality", ""),
        ("no_flow", ""),
    )
}
GROUP_SIZES = (1, 5)
_SIZES = {"long": "small", "paper_short": "the paper's size"}


def write_scripts(folder: Path) -> None:
    """Read every published result of the readings and write one script for each, and an index."""
    folder.mkdir(parents=True, exist_ok=True)
    flows = {}
    for result in read_long_sweeps():
        name = result.folder.name
        flows[name] = flow_entry(result)
        text = f"(globalThis.earlyglowSweeps ??= {{}})[{json.dumps(name)}] = "
        (folder / f"{name}.js").write_text(text + _json(sweep_entry(result)), encoding="utf-8")
    titles = {name: detector_title(*key) for name, key in READINGS.items()}
    index = {"readings": titles, "flows": flows}
    text = f"globalThis.earlyglowIndex = {_json(index)}"
    (folder / "index.js").write_text(text, encoding="utf-8")


def read_long_sweeps() -> Iterator[Result]:
    """Every published result of the readings whose checkpoints are counted in images."""
    for folder in result_folders("readings", only_published=True):
        result = load(folder)
        if _training(result)["images_per_epoch"]:
            yield result


def flow_entry(result: Result) -> dict[str, Any]:
    """What the heat map and the choices need of one flow.

    Its ``aurocs`` are, for each reading and group size, lists over checkpoints of lists over OOD
    sets; a checkpoint's ``images`` are those seen in training, its ``bits`` of held-out ID images.
    """
    values = result.manifest["parameters"]
    bits = result.tables["bits"]
    own = bits[bits["dataset"] == values["id_dataset"]].set_index("epoch")["bits_per_dim"]
    epochs = sorted(own.index)
    ood = list(values["ood_datasets"])
    aurocs = {
        name: rows.pivot(index="epoch", columns="ood", values="auroc").loc[epochs, ood]
        for name, rows in _by_reading(result.tables["readings"])
    }
    size = _SIZES.get(values["profile"], values["profile"])
    limit = f", {values['train_images']:,} training images" if values["train_images"] else ""
    return {
        "family": f"{model_title(values['model'])}, {size}{limit}",
        "seed": values["seed"],
        "channels": eg.DATASETS[values["id_dataset"]].shape[0],
        "id": values["id_dataset"],
        "ood": ood,
        "titles": {name: title_of(name) for name in (values["id_dataset"], *ood)},
        "images": [round(epoch * _training(result)["images_per_epoch"]) for epoch in epochs],
        "checkpoints": [checkpoint_title(epoch, _training(result)) for epoch in epochs],
        "bits": [printed(own[epoch]) for epoch in epochs],
        "aurocs": {name: table.map(printed).to_numpy().tolist() for name, table in aurocs.items()},
    }


def sweep_entry(result: Result) -> dict[str, Any]:
    """Histograms and intervals of one flow, for each reading and group size a list of checkpoints.

    A histogram is where its first count stands, and the counts from the first to the last that is
    not 0; an interval is the ends of the AUROC's.
    """
    tables = result.tables
    intervals = {
        name: {
            epoch: part.set_index("ood")[["low", "high"]].map(printed).T.to_dict("list")
            for epoch, part in rows.groupby("epoch")
        }
        for name, rows in _by_reading(tables["readings"])
    }
    return {
        name: [
            {
                "low": float(part["low"].iloc[0]),
                "high": float(part["high"].iloc[0]),
                "counts": {row.dataset: trimmed(row.counts) for row in part.itertuples()},
                "intervals": intervals[name][epoch],
            }
            for epoch, part in rows.groupby("epoch")
        ]
        for name, rows in _by_reading(tables["histograms"])
    }


def checkpoint_title(epoch: float, training: dict[str, Any]) -> str:
    """A checkpoint's name for readers: before the first epoch its steps say more."""
    if epoch == 0:
        return "untrained"
    if epoch >= 1:
        return f"epoch {epoch:g}"
    steps = round(epoch * (training["images_per_epoch"] // training["batch_size"]))
    return f"{steps} step{'s' if steps > 1 else ''}"


def printed(value: float) -> float:
    """A number of three digits, as the book prints it: a script that rounded twice would differ."""
    return float(f"{value:.3f}")


def trimmed(counts: bytes) -> list[int]:
    """A stored histogram without the zeros on both sides, after the place of the first count."""
    values = regret.read_counts(counts)
    filled = np.flatnonzero(values)
    return [int(filled[0]), *values[filled[0] : filled[-1] + 1].tolist()]


def _by_reading(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each reading and group size that are there, by "reading|size"."""
    for reading, (detector, objective) in READINGS.items():
        rows = table[(table["detector"] == detector) & (table["objective"] == objective)]
        for size in GROUP_SIZES:
            part = rows[rows["group_size"] == size]
            if len(part):
                yield f"{reading}|{size}", part


def _training(result: Result) -> dict[str, Any]:
    return dict(result.manifest["inputs"]["configuration"]["training"])


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
