"""What flows cost: images to train on and to measure, and the time that takes at measured rates."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earlyglow_book.deferred import pd
from earlyglow_book.flow_runs.profiles import PROFILES
from earlyglow_book.flow_runs.run import FlowRun
from earlyglow_book.results import read_published_tables
from earlyglow_book.tables.texts import Texts

if TYPE_CHECKING:
    import pandas

# The training sets of arXiv 2502.00820 and its code: an ImageNet32 batch, four fifths of CelebA.
PAPER_TRAINING_IMAGES = {
    "cifar10": 50_000,
    "svhn": 73_257,
    "celeba": 162_079,
    "gtsrb": 39_209,
    "imagenet32": 128_116,
    "mnist": 60_000,
    "fashion_mnist": 60_000,
    "omniglot": 19_280,
    "kmnist": 60_000,
}
_GREY = ("mnist", "fashion_mnist", "omniglot", "kmnist")
PAPER_SETS = {
    "glow": tuple(name for name in PAPER_TRAINING_IMAGES if name not in _GREY),
    "dense_glow": _GREY,
}
_SEEDS = 3
GPU, PROCESSOR = "GPU", "processor"
# Python and torch before the first image; with a GPU's libraries rather more than without.
_PROCESS_BYTES, _MEMORY_MARGIN = 2e9, 1.25


@dataclass(frozen=True)
class Work:
    """Images that pass through a flow.

    Attributes:
        trained: in training.
        measured: gradient norms that are taken, of every set at each checkpoint.
    """

    trained: float
    measured: float


@dataclass(frozen=True)
class Rates:
    """Images a second of a training step and of the norms of one objective."""

    training: float
    norms: float

    def hours(self, work: Work) -> float:
        """How long the work takes."""
        return (work.trained / self.training + work.measured / self.norms) / 3600


def work_of(run: FlowRun) -> Work:
    """What one flow's training and its measurement ask for, on the paper's training images."""
    sizes, last = run.sizes, max(run.training.epochs)
    largest = max(PAPER_TRAINING_IMAGES.values())
    epoch = sizes.images_per_epoch or PAPER_TRAINING_IMAGES.get(run.id_dataset, largest)
    scored = sizes.fit_images + sizes.eval_images + len(run.ood_datasets) * sizes.ood_images
    checkpoints = len(run.training.epochs)
    return Work(last * epoch, checkpoints * scored * len(run.objectives))


@functools.cache
def measured_rates() -> Mapping[tuple[str, str], Rates]:
    """Rates by device and flow, from the published measurements of one GPU and one processor."""
    (_, steps), (_, norms) = (
        next(read_published_tables("gpu_cost", name)) for name in ("steps", "norms")
    )
    captured = steps.set_index(["what", "batch"])["images_per_second"]["captured", 64]
    as_called = norms.set_index("what")["ms_per_image"]["batched, as called"]
    (_, times), *_ = read_published_tables("cost", "times")
    medians = times.groupby(["case", "contender", "images"])["seconds"].median()
    speeds = (medians.index.get_level_values("images") / medians).groupby(["case", "contender"])
    best = speeds.max().unstack()
    rates = {
        (PROCESSOR, str(case)): Rates(float(row["training step"]), float(row["batched"]))
        for case, row in best.iterrows()
    }
    of_gpu = Rates(float(captured), 1000 / float(as_called))
    # A smaller Glow was not measured there; it is not slower.
    return {**rates, **{(GPU, flow): of_gpu for flow in ("paper Glow", "classroom Glow")}}


def measured_flow(run: FlowRun) -> str:
    """The flow whose rates were measured that is nearest to a run's, and not smaller."""
    if run.model == "dense_glow":
        return "paper DenseGlow"
    small = PROFILES["classroom"]
    fits = run.sizes.steps <= small.steps and run.sizes.hidden <= small.hidden
    return "classroom Glow" if fits else "paper Glow"


def hours(run: FlowRun, device: str) -> float:
    """Hours of a flow and its norms on a device, at most; NaN where no rate was measured there."""
    rates = measured_rates().get((device, measured_flow(run)))
    return rates.hours(work_of(run)) if rates else float("nan")


@functools.cache
def measured_bytes() -> Mapping[str, float]:
    """Bytes of tensors for each image of a training step, by flow, as published."""
    (_, memory), *_ = read_published_tables("cost", "memory")
    steps = memory[memory["contender"] == "training step"]
    return dict(zip(steps["case"], steps["bytes"] / steps["images"], strict=True))


def memory(run: FlowRun) -> float:
    """Bytes that training a flow takes at most: the process, its images, and a step's tensors.

    Norms take as many images at a time as what is left allows.
    """
    images = PAPER_TRAINING_IMAGES.get(run.id_dataset, max(PAPER_TRAINING_IMAGES.values()))
    # Twice, while a file is read.
    held = 2 * images * math.prod(run.spec.image_shape)
    step = run.training.batch_size * measured_bytes()[measured_flow(run)]
    return _PROCESS_BYTES + held + _MEMORY_MARGIN * step


def paper_runs(profile: str, model: str) -> list[FlowRun]:
    """The paper's flows of a kind at a profile's size: every ID set against the others."""
    sets = PAPER_SETS[model]
    others = {name: tuple(other for other in sets if other != name) for name in sets}
    return [
        FlowRun(name, others[name], profile=profile, seed=seed, model=model)  # type: ignore[arg-type]
        for name in sets
        for seed in range(_SEEDS)
    ]


def whole_paper(profiles: Iterable[str] = PROFILES) -> pandas.DataFrame:
    """Flows, images and hours of the whole paper by profile and kind of flow.

    Where the profile's flow is smaller than the one whose rates were measured, the hours are at
    most.
    """
    rows = []
    for profile in profiles:
        for model in PAPER_SETS:
            runs = paper_runs(profile, model)
            work = [work_of(run) for run in runs]
            row = {
                "profile": profile,
                "model": model,
                "flows": len(runs),
                "million images trained": sum(one.trained for one in work) / 1e6,
                "million norms": sum(one.measured for one in work) / 1e6,
                "GPU hours": sum(hours(run, GPU) for run in runs),
                "processor hours": sum(hours(run, PROCESSOR) for run in runs),
                "rates of": measured_flow(runs[0]),
            }
            rows.append(row)
    return pd.DataFrame(rows).set_index(["profile", "model"])


def paper_hours(whole: pandas.DataFrame) -> Texts:
    """What the paper's own sizes take on the GPU, and how much of that is training."""
    paper = whole.loc["paper"]
    glow, trained = paper.loc["glow"], paper["million images trained"]
    training = trained["glow"] * 1e6 / measured_rates()[GPU, "paper Glow"].training / 3600
    longest = max(hours(run, GPU) for run in paper_runs("paper", "glow"))
    return {
        "paper_gpu": f"{glow['GPU hours']:,.0f}",
        "paper_share": f"{training / glow['GPU hours']:.0%}",
        "paper_images": f"{trained.sum():,.0f} million",
        "paper_longest": f"{longest:.1f}",
    }


def profile_hours(whole: pandas.DataFrame) -> Texts:
    """Images trained on, and hours by kind of flow and device, of the whole paper by profile."""
    trained = whole["million images trained"].groupby("profile").sum()
    columns = {"gpu": "GPU hours", "processor": "processor hours"}
    hours = {
        f"whole_{profile}_{model}_{device}": _rounded(row[column])
        for (profile, model), row in whole.iterrows()
        for device, column in columns.items()
    }
    return {f"whole_{name}_images": _rounded(count) for name, count in trained.items()} | hours


def _rounded(value: float) -> str:
    """Two digits, or all before the point; "not measured" for NaN."""
    if math.isnan(value):
        return "not measured"
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
