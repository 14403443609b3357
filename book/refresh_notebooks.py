"""Execute the committed notebooks at their defaults, and draw the book's figures again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from earlyglow import load_images
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.chapters.verdict.figures import maturity
from earlyglow_book.experiment import result_of
from earlyglow_book.figures.pictures import image_rows, picture_rows, samples_of, unpack
from earlyglow_book.notebooks import execute, find_notebook
from earlyglow_book.registry import chapter_names
from earlyglow_book.results import Result
from earlyglow_book.tables.pairs import means_over_pairs
from earlyglow_book.tables.published_rows import (
    read_baseline_rows,
    read_gradient_rows,
    read_published_rows,
)
from earlyglow_book.titles import title_of

FIGURES = Path(__file__).parent / "figures"
ID_DATASETS = ("fashion_mnist", "cifar10", "gtsrb")


def main() -> None:
    os.environ["EARLYGLOW_PUBLISHED"] = "1"
    for name in chapter_names():
        print(f"executing {name}", flush=True)
        path = find_notebook(name)
        # A notebook that fails must not take the place of the one that worked.
        with tempfile.TemporaryDirectory() as folder:
            executed = Path(folder, path.name)
            execute(path, executed, {})
            shutil.copyfile(executed, path)
    matplotlib.use("agg")
    FIGURES.mkdir(exist_ok=True)
    results = {name: result_of(EpochSweep(id_dataset=name)) for name in ID_DATASETS}
    figures = {
        "kinds_of_images": kinds_of_images(results),
        "samples": samples(results["cifar10"]),
        "maturity": flows_and_detectors(),
    }
    for name, figure in figures.items():
        # No date or version in the file, so that the same figure is the same file.
        figure.savefig(
            FIGURES / f"{name}.png", dpi=160, bbox_inches="tight", metadata={"Software": None}
        )
        plt.close(figure)


def kinds_of_images(results: dict[str, Result]) -> plt.Figure:
    """A row of each of four kinds."""
    rows = {
        title_of(name): load_images(name, limit=12).images.numpy()
        for name in ("digits", "textures")
    }
    for name in ("fashion_mnist", "gtsrb"):
        pictures = results[name].tables["pictures"]
        rows[title_of(name)] = unpack(pictures[pictures["kind"] == name])
    return image_rows(rows)


def flows_and_detectors() -> plt.Figure:
    """How flows and detectors develop: all pairs, models and seeds."""
    bits = read_published_rows("epoch_sweep", "epochs")
    means = {
        name: means_over_pairs(rows, ["epoch"])
        for name, rows in (
            ("gradients, groups of five", read_gradient_rows(5)),
            ("gradients, single images", read_gradient_rows(1)),
            ("likelihood, single images", read_baseline_rows("likelihood")),
        )
    }
    return maturity(bits[bits["dataset"] == bits["id_dataset"]], means)


def samples(result: Result) -> plt.Figure:
    """Samples from untrained to trained."""
    pictures = result.tables["pictures"]
    epochs = sorted(pictures["epoch"].unique())
    return picture_rows(pictures, samples_of(pictures, epochs))


if __name__ == "__main__":
    main()
