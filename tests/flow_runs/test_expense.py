"""What flows cost, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from earlyglow_book.flow_runs import expense
from earlyglow_book.flow_runs.profiles import PROFILES
from earlyglow_book.flow_runs.run import FlowRun


def test_images_of_one_flow_of_the_paper() -> None:
    """CIFAR-10, 250 passes of 50,000 images; six sets are scored under two objectives."""
    others = ("svhn", "celeba", "gtsrb", "imagenet32")
    run = FlowRun("cifar10", others, profile="paper")
    sizes = PROFILES["paper"]
    work = expense.work_of(run)
    assert work.trained == 250 * 50_000
    scored = sizes.fit_images + sizes.eval_images + 4 * sizes.ood_images
    assert work.measured == len(sizes.epochs) * scored * 2


def test_hours_are_both_kinds_of_work_at_their_rates() -> None:
    rates = expense.Rates(training=100.0, norms=50.0)
    assert rates.hours(expense.Work(trained=360_000, measured=180_000)) == pytest.approx(2.0)


def test_the_whole_paper_is_the_sum_of_its_flows() -> None:
    whole = expense.whole_paper(["paper"])
    runs = expense.paper_runs("paper", "glow")
    assert len({(run.id_dataset, run.seed) for run in runs}) == 15
    assert all(
        run.id_dataset not in run.ood_datasets and len(run.ood_datasets) == 4 for run in runs
    )
    rates = expense.measured_rates()[expense.GPU, "paper Glow"]
    images = sum(expense.work_of(run).trained for run in runs)
    norms = sum(expense.work_of(run).measured for run in runs)
    hours = whole.loc[("paper", "glow"), "GPU hours"]
    assert hours == pytest.approx((images / rates.training + norms / rates.norms) / 3600)
    said = expense.paper_hours(whole)
    assert said["paper_gpu"] == f"{hours:,.0f}"
    # 250 passes of the four grey sets, three seeds.
    grey = 3 * 250 * (3 * 60_000 + 19_280)
    assert said["paper_images"] == f"{(images + grey) / 1e6:,.0f} million"
    assert float(said["paper_longest"]) == pytest.approx(
        max(expense.hours(run, expense.GPU) for run in runs), abs=0.05
    )


def test_hours_of_every_profile_are_those_of_the_table() -> None:
    whole = expense.whole_paper()
    said = expense.profile_hours(whole)
    assert len(said) == 2 * len(whole) + len(whole) / 2
    # No DenseGlow was measured on the GPU.
    assert said["whole_paper_dense_glow_gpu"] == "not measured"
    hours = whole.loc[("paper", "glow"), "processor hours"]
    assert float(said["whole_paper_glow_processor"].replace(",", "")) == pytest.approx(hours, abs=1)
    assert said["whole_classroom_images"] == f"{27 * 20 * 5000 / 1e6}"


def test_memory_is_that_of_a_step_and_the_images() -> None:
    """Two batch sizes differ by their step alone; the measured bytes are of a training step."""
    run = FlowRun("cifar10", ("svhn",), profile="paper")
    without = replace(run.training, batch_size=1)
    smaller = replace(run, seed=1)
    object.__setattr__(smaller, "training", without)
    difference = expense.memory(run) - expense.memory(smaller)
    assert difference == pytest.approx(1.25 * 63 * expense.measured_bytes()["paper Glow"])
    assert expense.memory(smaller) > 2 * 50_000 * 3072
