"""What flows cost, counted by hand."""

from __future__ import annotations

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
    assert said["paper_images"] == f"{images / 1e6:,.0f} million"
