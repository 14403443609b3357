"""The command that computes every published result, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import earlyglow as eg
from earlyglow_book import published, results, verify
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.cli import main
from earlyglow_book.experiment import result_of
from earlyglow_book.published import published_experiments


def test_what_is_left_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    first, second = (EpochSweep("digits", profile="smoke", seed=seed) for seed in (7, 8))
    monkeypatch.setattr(published, "published_experiments", lambda: (first, second))
    done = result_of(first)
    listed = CliRunner().invoke(main, ["sweep", "--list"])
    assert listed.exit_code == 0, listed.output
    assert "done  epoch_sweep  digits-glow-smoke-seed7" in listed.output
    assert "left  epoch_sweep  digits-glow-smoke-seed8" in listed.output
    assert "1 of 2 results are stored" in listed.output
    assert not list((tmp_path / "results").glob("epoch_sweep/*seed8*"))
    computed = CliRunner().invoke(main, ["sweep"])
    assert computed.exit_code == 0, computed.output
    assert result_of(second).folder.is_relative_to(tmp_path / "results")
    assert result_of(first).manifest == done.manifest
    assert "2 of 2" in CliRunner().invoke(main, ["sweep", "--list"]).output


def test_what_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    missing = EpochSweep("tiny_imagenet", ("digits",), profile="smoke")
    possible = EpochSweep("digits", profile="smoke", seed=7, epochs=(0,))
    monkeypatch.setattr(published, "published_experiments", lambda: (missing, possible))
    outcome = CliRunner().invoke(main, ["sweep"])
    assert outcome.exit_code == 1
    assert "1 not computed: epoch_sweep  tiny_imagenet-glow-smoke-seed0" in outcome.output
    assert list((tmp_path / "results").glob("epoch_sweep/digits*seed7*"))


def test_an_equal_result_is_recorded_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those confirmed longest ago come first: the second call takes the other result."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.setattr(results, "committed_folder", lambda: tmp_path / "none")
    stored = [
        result_of(EpochSweep("digits", profile="smoke", seed=seed, epochs=(0, 0.5)))
        for seed in (7, 8)
    ]

    def confirmed() -> list[bool]:
        return ["confirmed" in results.load(result.folder).manifest for result in stored]

    assert CliRunner().invoke(main, ["verify", "--cached"]).exit_code == 0
    assert confirmed() == [False, False]
    for expected in (1, 2):
        outcome = CliRunner().invoke(main, ["verify", "--cached", "--record"])
        assert outcome.exit_code == 0, outcome.output
        assert sum(confirmed()) == expected
    assert "commit" in results.load(stored[0].folder).manifest["confirmed"]


def test_a_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only errors of ours are said in one sentence."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    sweep = EpochSweep("digits", profile="smoke", seed=7)
    monkeypatch.setattr(published, "published_experiments", lambda: (sweep,))

    def broken(self: EpochSweep, workspace: Path) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(EpochSweep, "compute", broken)
    outcome = CliRunner().invoke(main, ["sweep"])
    assert isinstance(outcome.exception, ValueError)


def test_verify_says_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One result has another table than computed, another cannot be computed."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.setattr(results, "committed_folder", lambda: tmp_path / "none")
    for seed in (7, 8):
        result_of(EpochSweep("digits", profile="smoke", seed=seed, epochs=(0, 0.5)))

    def other(result: results.Result, workspace: Path) -> results.Computed:
        if result.inputs.seed == 8:
            raise eg.NonFiniteLossError("no")
        tables = {**result.tables, "epochs": result.tables["epochs"].assign(bits_per_dim=9.0)}
        return results.Computed(tables)

    monkeypatch.setattr(verify, "recomputed", other)
    outcome = CliRunner().invoke(main, ["verify", "--all", "--limit", "2"])
    assert outcome.exit_code == 1
    last = outcome.output.splitlines()[-1]
    assert "came out differently: epoch_sweep/digits-glow-smoke-seed7" in last
    assert "could not be computed: epoch_sweep/digits-glow-smoke-seed8" in last
    assert CliRunner().invoke(main, ["verify", "--limit", "-1"]).exit_code == 2


def test_verify_takes_the_results_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named ones are computed again although nothing moved, and equal to the last digit."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARLYGLOW_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.setattr(results, "committed_folder", lambda: tmp_path / "none")
    for seed in (7, 8):
        result_of(EpochSweep("digits", profile="smoke", seed=seed, epochs=(0, 0.5)))
    name = "epoch_sweep/digits-glow-smoke-seed8"
    outcome = CliRunner().invoke(main, ["verify", name, "--tolerance", "0"])
    assert outcome.exit_code == 0, outcome.output
    assert "2 results, 1 to verify, 1 now" in outcome.output
    assert f"{name}-" in outcome.output
    assert "False" not in outcome.output
    outcome = CliRunner().invoke(main, ["verify", "epoch_sweep/digits", "no_sweep/digits"])
    assert outcome.exit_code == 1
    assert "no stored result begins with 'no_sweep/digits'" in outcome.output


def test_one_seed_of_every_set_comes_first() -> None:
    """And the flows that take days, after everything else."""
    every = published_experiments()
    wide = [e for e in every if e.parameters().get("profile") == "wide"]
    long = [e for e in every if e.parameters().get("profile") == "long"]
    assert list(every[-len(long + wide) :]) == [*long, *wide]
    for part in (every[: -len(long + wide)], long, wide):
        seeds = [experiment.inputs_on_trust().seed for experiment in part]
        assert seeds == sorted(seeds)
    labels = [(experiment.name, experiment.label()) for experiment in published_experiments()]
    assert len(set(labels)) == len(labels)
