"""Notebooks and the command line: declarations, refusals, and real runs at the smoke profile."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from click.testing import CliRunner
from papermill.exceptions import PapermillExecutionError

from earlyglow.cache import cache_folder
from earlyglow.datasets import DatasetError
from earlyglow.training import NonFiniteLossError
from earlyglow_book import results
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.cli import main
from earlyglow_book.experiment import result_of
from earlyglow_book.notebooks import find_notebook
from earlyglow_book.parameters import ParameterError, declared, from_texts
from earlyglow_book.places import shipped
from earlyglow_book.registry import chapter_class, chapter_names
from earlyglow_book.results import StoreError

NOTEBOOKS = chapter_names()

SMOKE: dict[str, dict[str, object]] = {
    "quickstart": {"profile": "smoke"},
    "idea": {"epochs": 0.5},
    "epoch_sweep": {"profile": "smoke", "id_dataset": "digits"},
    "three_sweeps": {"profile": "smoke", "id_datasets": ["digits"]},
    "group_size": {"profile": "smoke", "id_dataset": "digits"},
    "likelihood_paradox": {"profile": "smoke", "id_dataset": "digits"},
    "support_overlap": {"profile": "smoke", "id_dataset": "digits"},
    "low_level_features": {"profile": "smoke", "id_dataset": "digits"},
    "kmnist_failure": {"profile": "smoke", "id_dataset": "digits"},
    "synthetic_augmentation": {"profile": "smoke", "id_dataset": "digits"},
    "released_code": {"profile": "smoke", "id_dataset": "digits"},
    "dense_glow_full_size": {"profile": "smoke", "id_dataset": "digits"},
    "readings": {"profile": "smoke", "id_dataset": "digits"},
    "explorer": {"profile": "smoke", "id_dataset": "digits"},
    "maturity": {"profile": "smoke"},
    "better_score": {"profile": "smoke"},
    "norm_geometry": {"profile": "smoke", "id_dataset": "digits"},
    "which_epoch": {"profile": "smoke"},
    "few_images": {"profile": "smoke", "id_dataset": "digits"},
    "few_training_images": {
        "profile": "smoke",
        "id_dataset": "digits",
        "train_images": 100,
        "epochs": [0, 1],
    },
    "short_circuit_idea": {"steps": 30},
    "shift": {"profile": "smoke", "id_dataset": "digits"},
    "verdict": {"model": "dense_glow"},
    "your_images": {"epochs": 1},
    "your_model": {"steps": 5},
    "cost": {"profile": "smoke"},
    "gradient_short_circuit": {"profile": "smoke", "id_dataset": "digits"},
    "short_circuit_parts": {"profile": "smoke", "id_dataset": "digits"},
}


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no data folder, and a working directory of its own."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    monkeypatch.delenv("EARLYGLOW_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def smoke_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all runs at smoke, as a user has one: many notebooks ask for the same flow."""
    return tmp_path_factory.mktemp("cache")


def test_every_notebook_is_registered() -> None:
    folder = shipped("notebooks")
    assert {path.stem for path in folder.glob("*.ipynb")} == set(NOTEBOOKS) == set(SMOKE)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_declarations_are_those_of_the_class(name: str) -> None:
    """Names, order, types and defaults of the parameters cell; and each line has a meaning."""
    cell = papermill.inspect_notebook(str(find_notebook(name)))
    parameters = declared(chapter_class(name))
    assert list(cell) == list(parameters)
    for parameter in parameters.values():
        line = cell[parameter.name]
        assert ast.literal_eval(line["default"]) == parameter.default
        assert line["inferred_type_name"] == parameter.type
        assert len(line["help"]) > 10
        assert len(parameter.meaning) > 5


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_committed_notebooks_are_executed_and_clean(name: str) -> None:
    notebook = nbformat.read(find_notebook(name), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert "papermill" not in notebook.metadata
    for cell in code:
        assert not {"papermill", "execution"} & set(cell.metadata)
        assert len(cell.source.splitlines()) <= 24
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


# In one process, which trains each flow once.
@pytest.mark.xdist_group("smoke")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_run_at_smoke(
    name: str, fresh: Path, smoke_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(smoke_cache))
    given = {k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in SMOKE[name].items()}
    options = [word for k, v in given.items() for word in ("-p", k, str(v))]
    outcome = CliRunner().invoke(main, ["run", name, *options])
    assert outcome.exit_code == 0, outcome.output
    (written,) = (fresh / "runs").glob("*.ipynb")
    assert f"executed notebook: runs/{written.name}" in outcome.output
    figures = [
        output
        for cell in nbformat.read(written, as_version=4).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert figures


def test_an_output_is_refused_before_anything_is_computed(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fresh / "file").touch()
    monkeypatch.setattr(EpochSweep, "prepare", lambda self: pytest.fail("it was computed"))
    command = ["run", "epoch_sweep", "-p", "profile", "smoke", "-p", "id_dataset", "digits", "-o"]
    outcome = CliRunner().invoke(main, [*command, "file/out.ipynb"])
    assert outcome.exit_code == 1
    assert "file/out.ipynb cannot be written" in outcome.output


def test_an_interrupted_run_leaves_no_empty_notebook(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: EpochSweep) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EpochSweep, "prepare", interrupted)
    command = ["run", "epoch_sweep", "-p", "profile", "smoke", "-p", "id_dataset", "digits"]
    assert CliRunner().invoke(main, [*command, "-o", "out.ipynb"]).exit_code != 0
    assert not (fresh / "out.ipynb").exists()


def test_plain_papermill_works_too(fresh: Path) -> None:
    output = fresh / "out.ipynb"
    papermill.execute_notebook(
        str(find_notebook("epoch_sweep")),
        str(output),
        parameters=SMOKE["epoch_sweep"],
        progress_bar=False,
    )
    assert output.is_file()


def test_parameters_of_a_file_and_of_the_command_line(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[EpochSweep] = []

    def stop(self: EpochSweep) -> None:
        asked.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(EpochSweep, "prepare", stop)
    (fresh / "p.yml").write_text(yaml.safe_dump({"profile": "smoke", "id_dataset": "nowhere"}))
    CliRunner().invoke(main, ["run", "epoch_sweep", "-f", "p.yml", "-p", "id_dataset", "digits"])
    assert asked == [EpochSweep("digits", profile="smoke")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "epoch_swep"], "no notebook 'epoch_swep'"),
        (
            ["run", "epoch_sweep", "-p", "id_datset", "gtsrb"],
            "no parameter 'id_datset'; there are: id_dataset, ood_datasets, epochs, group_size, "
            "objective, profile, seed, model, images, detector. Did you mean 'id_dataset'?",
        ),
        (["run", "epoch_sweep", "-p", "id_dataset", "gtsbr"], "Did you mean 'gtsrb'?"),
        (["run", "epoch_sweep", "-p", "id_dataset", "/my/pictures"], "write folder:PATH"),
        (["run", "quickstart", "-p", "ood_dataset", "Folder:~/birds"], "write folder:PATH"),
        (["run", "epoch_sweep", "-p", "group_size", "two"], "group_size is 'two'"),
        (["run", "epoch_sweep", "-p", "group_size", "1.5"], "must be of type int"),
        (["run", "epoch_sweep", "-p", "epochs", "[a, b]"], "must be of type list[float]"),
        (["run", "epoch_sweep", "-p", "seed", "true"], "seed is 'true'"),
        (["run", "epoch_sweep", "-p", "group_size", "99"], "at most 50"),
        (["run", "epoch_sweep", "-p", "profile", "smoke", "-p", "group_size", "40"], "at most 30"),
        (["run", "epoch_sweep", "-p", "epochs", "[inf]"], "epochs is (inf,)"),
        (
            ["run", "epoch_sweep", "-p", "images", "5"],
            "images is 5, but it must be 0 or at least 20",
        ),
        (["run", "quickstart", "-p", "epochs", "0"], "epochs is 0"),
        (["run", "gradient_short_circuit", "-p", "fraction", "2e0"], "fraction is 2.0"),
    ],
)
def test_refused_before_a_kernel_starts(
    arguments: list[str], message: str, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_kernel(*args: object, **kwargs: object) -> None:
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(papermill, "execute_notebook", no_kernel)
    outcome = CliRunner().invoke(main, arguments)
    assert outcome.exit_code == 1
    assert message in " ".join(outcome.output.split())
    assert not (fresh / "runs").exists()


def test_missing_images_are_one_sentence(fresh: Path) -> None:
    arguments = [
        "run",
        "epoch_sweep",
        "-p",
        "id_dataset",
        "tiny_imagenet",
        "-p",
        "profile",
        "smoke",
    ]
    outcome = CliRunner().invoke(main, arguments)
    assert outcome.exit_code == 1
    assert "tiny_imagenet are not on this machine" in outcome.output
    assert "-p ood_datasets" not in outcome.output
    assert "Traceback" not in outcome.output


def test_what_cannot_be_downloaded_is_said_before_a_download(fresh: Path) -> None:
    with pytest.raises(DatasetError, match=r"notmnist are not.*'\[mnist, kmnist, omniglot\]'"):
        result_of(EpochSweep("fashion_mnist", seed=1234))
    assert not list(cache_folder().glob("datasets/*"))


def test_a_set_that_is_to_be_downloaded_is_not_proposed_as_present(fresh: Path) -> None:
    with pytest.raises(DatasetError, match=r"notmnist are not.*fashion_mnist, mnist would be down"):
        result_of(EpochSweep("fashion_mnist", ("notmnist", "mnist"), seed=1234))


def test_the_quickstart_refuses_missing_images_before_a_kernel_starts(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(papermill, "execute_notebook", lambda *_, **__: pytest.fail("a kernel"))
    outcome = CliRunner().invoke(main, ["run", "quickstart", "-p", "ood_dataset", "notmnist"])
    assert outcome.exit_code == 1
    assert "the test images of notmnist are not on this machine" in outcome.output


def test_a_failing_cell_is_named_with_its_notebook(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise PapermillExecutionError(3, 3, "1 / 0", "ZeroDivisionError", "division by zero", [])

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    outcome = CliRunner().invoke(main, ["run", "quickstart", "-o", "mine.ipynb"])
    assert outcome.exit_code == 1
    assert "a cell of quickstart failed: ZeroDivisionError: division by zero" in outcome.output
    assert "mine.ipynb" in outcome.output


def test_only_published_results_where_only_they_are_asked_for(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in the cache is not taken either."""
    sweep = EpochSweep("digits", profile="smoke", seed=1234)
    result_of(sweep)
    monkeypatch.setenv("EARLYGLOW_PUBLISHED", "1")
    with pytest.raises(StoreError, match=r"no result of epoch_sweep .* is published"):
        result_of(sweep)


def test_lists_are_converted_and_numbers_are_decimal() -> None:
    given = {"ood_datasets": "mnist, omniglot", "epochs": "[0, 0.5]", "seed": "010"}
    assert from_texts(EpochSweep, given) == {
        "ood_datasets": ["mnist", "omniglot"],
        "epochs": [0, 0.5],
        "seed": 10,
    }
    assert from_texts(EpochSweep, {"epochs": [0, 2], "ood_datasets": "[]"}) == {
        "epochs": [0, 2],
        "ood_datasets": [],
    }
    for name, text in (("seed", "1.5"), ("seed", "1:30"), ("seed", "1_0"), ("epochs", "0,1:30")):
        with pytest.raises(ParameterError, match=f"{name} is .*must be of type"):
            EpochSweep(**from_texts(EpochSweep, {name: text}))


def test_a_file_is_read_as_the_command_line_is(fresh: Path) -> None:
    """YAML 1.1 would read 010 as eight, 1:30 as ninety, and 1e-1 as a word."""
    (fresh / "p.yml").write_text("seed: 010\nepochs: [0, 1e-1]\nprofile: smoke\nid_dataset: x\n")
    outcome = CliRunner().invoke(main, ["run", "epoch_sweep", "-f", "p.yml"])
    assert "no data set 'x'" in outcome.output
    (fresh / "p.yml").write_text("seed: 1:30\n")
    outcome = CliRunner().invoke(main, ["run", "epoch_sweep", "-f", "p.yml"])
    assert "seed is '1:30', but it must be of type int" in outcome.output


def test_list_shows_every_parameter() -> None:
    outcome = CliRunner().invoke(main, ["list"])
    assert outcome.exit_code == 0
    for name in NOTEBOOKS:
        assert f"{name}: " in outcome.output
        for parameter in declared(chapter_class(name)).values():
            assert f"    {parameter.name}: {parameter.type} = " in outcome.output
            assert parameter.meaning in outcome.output


def test_list_of_one_notebook() -> None:
    outcome = CliRunner().invoke(main, ["list", "cost"])
    assert outcome.output.startswith("cost: ")
    assert "quickstart: " not in outcome.output
    outcome = CliRunner().invoke(main, ["list", "Quickstrat"])
    assert outcome.exit_code == 1
    assert "Did you mean 'quickstart'?" in outcome.output


def computes(monkeypatch: pytest.MonkeyPatch, result: results.Result) -> None:
    """Epoch sweeps come out as this result: here the comparison is tested, not the training."""
    found = results.Computed(result.tables)
    monkeypatch.setattr(EpochSweep, "compute", lambda self, workspace: found)


def test_verify_recomputes_the_cheapest_result(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published smoke result is on embedded images: any machine can check it."""
    (published,) = results.committed_folder().glob("epoch_sweep/digits-glow-smoke-seed0-*")
    shutil.copytree(published, fresh / "published" / "epoch_sweep" / published.name)
    monkeypatch.setattr(results, "committed_folder", lambda: fresh / "published")
    outcome = CliRunner().invoke(main, ["verify", "--all"])
    assert outcome.exit_code == 0, outcome.output
    assert "digits-glow-smoke-seed0" in outcome.output
    assert "False" not in outcome.output


def test_verify_passes_over_what_it_cannot_recompute(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged table, an experiment that is no more, and one result that is in order."""
    (published,) = results.committed_folder().glob("epoch_sweep/digits-glow-smoke-seed0-*")
    computes(monkeypatch, results.load(published))
    for name in ("damaged", "old", "whole"):
        shutil.copytree(published, fresh / "published" / "epoch_sweep" / name)
    (fresh / "published" / "epoch_sweep" / "damaged" / "scores.parquet").write_bytes(b"")
    path = fresh / "published" / "epoch_sweep" / "old" / "manifest.json"
    manifest = json.loads(path.read_text())
    inputs = results.Inputs(**{**manifest["inputs"], "experiment": "no_more"})
    manifest |= {"inputs": dataclasses.asdict(inputs), "key": inputs.key()}
    path.write_text(json.dumps(manifest))
    monkeypatch.setattr(results, "committed_folder", lambda: fresh / "published")
    outcome = CliRunner().invoke(main, ["verify", "--all", "--limit", "3"])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.count("passed over: ") == 2
    assert "damaged" in outcome.output
    assert "an experiment that is no more" in outcome.output


def test_verify_says_when_nothing_can_be_recomputed(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published,) = results.committed_folder().glob("epoch_sweep/tiny_imagenet-*-seed0-*")
    shutil.copytree(published, fresh / "published" / "epoch_sweep" / published.name)
    monkeypatch.setattr(results, "committed_folder", lambda: fresh / "published")
    outcome = CliRunner().invoke(main, ["verify", "--all"])
    assert outcome.exit_code == 1
    assert "none of them can be recomputed here" in outcome.output


def test_verify_fails_where_the_present_source_does(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published,) = results.committed_folder().glob("epoch_sweep/digits-glow-smoke-seed0-*")
    shutil.copytree(published, fresh / "published" / "epoch_sweep" / published.name)
    monkeypatch.setattr(results, "committed_folder", lambda: fresh / "published")

    def diverge(self: EpochSweep, workspace: Path) -> None:
        raise NonFiniteLossError("the loss is nan")

    monkeypatch.setattr(EpochSweep, "compute", diverge)
    outcome = CliRunner().invoke(main, ["verify", "--all"])
    assert outcome.exit_code == 1
    assert "could not be computed: the loss is nan" in outcome.output


def test_verify_does_not_sign_a_result_that_comes_out_differently(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published,) = results.committed_folder().glob("epoch_sweep/digits-glow-smoke-seed0-*")
    folder = fresh / "published" / "epoch_sweep" / published.name
    shutil.copytree(published, folder)
    result = results.load(folder)
    computes(monkeypatch, result)
    path = folder / "epochs.parquet"
    result.tables["epochs"].assign(bits_per_dim=1.0).to_parquet(path)
    digests = {**result.manifest["tables"], "epochs": results._sha256(path)}
    manifest = {**result.manifest, "tables": digests}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(results, "committed_folder", lambda: fresh / "published")
    outcome = CliRunner().invoke(main, ["verify", "--record"])
    assert outcome.exit_code == 1
    assert f"came out differently: epoch_sweep/{published.name}" in outcome.output
    assert "confirmed" not in results.load(folder).manifest


def test_interrupt_is_one_sentence_and_the_run_goes_on(fresh: Path) -> None:
    command = [sys.executable, "-m", "earlyglow_book.cli", "run", "epoch_sweep"]
    command += ["-p", "id_dataset", "digits", "-p", "epochs", "[0, 40]"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background makes its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(fresh.glob("cache/checkpoints/*/epoch-0.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1].endswith("the same command goes on where it was.")
    assert "Traceback" not in error
