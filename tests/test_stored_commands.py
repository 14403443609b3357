"""Commands on what is stored, as a user types them."""

from __future__ import annotations

import csv
import stat
import sys
import webbrowser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from earlyglow_book import results
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.cli import main
from earlyglow_book.comparing import differing_parameters, differing_tables
from earlyglow_book.experiment import result_of
from earlyglow_book.notebooks import _require_writable, execute, find_notebook, stored_result
from earlyglow_book.results import Computed, Inputs, Result
from earlyglow_book.run_page import findings, glued_texts, write_page


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARLYGLOW_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> str:
    outcome = CliRunner().invoke(main, list(words))
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def refused(*words: str) -> str:
    outcome = CliRunner().invoke(main, list(words))
    assert outcome.exit_code != 0
    assert "Traceback" not in outcome.output
    return outcome.output


def test_pictures_are_scored_by_a_stored_runs_flow(fresh: Path) -> None:
    sweep = EpochSweep("digits", profile="smoke", seed=11)
    name = result_of(sweep).name
    generator = np.random.default_rng(0)
    (fresh / "new").mkdir()
    for i in range(6):
        pixels = generator.integers(0, 255, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(fresh / "new" / f"noise {i}.png")
    said = run("score", name, "new", "--false-alarms", "0.1", "-o", "out.csv")
    with (fresh / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for row in rows:
        assert (float(row["p_value"]) <= 0.1) == (row["unusual"] == "True")
        assert float(row["p_value"]) >= 1 / 61 - 1e-4
    assert f"{sum(row['unusual'] == 'True' for row in rows)} of 6 are unusual" in said
    assert Image.open(fresh / "out.png").size[0] > 300


def test_what_cannot_be_scored_is_said(fresh: Path) -> None:
    assert "stored results begin with 'epoch_swep'" in refused("score", "epoch_swep", "x")
    misspelt = refused("score", "few_images/cifar-10-glow-lng", "x")
    assert "names are such as few_images/cifar10-glow-long-seed0" in misspelt
    sweep = result_of(EpochSweep("digits", profile="smoke", seed=12)).name
    assert "there is no file or folder nowhere" in refused("score", sweep, "nowhere")
    (fresh / "text.png").write_text("no picture")
    assert "text.png is no picture" in refused("score", sweep, "text.png")
    cost = next(f for f in results.result_folders("cost"))
    picture = fresh / "p.png"
    Image.new("RGB", (8, 8)).save(picture)
    assert "is of no flow" in refused("score", f"cost/{cost.name}", "p.png")


def made(seed: int, shift: float) -> Result:
    table = pd.DataFrame({"epoch": [0.0, 1.0], "ood": ["a", "a"], "auroc": [0.5, 0.6 + shift]})
    single = pd.DataFrame({"ood": ["a"] * 4, "score": [1.0, 2.0, 3.0, 4.0 + 4 * shift]})
    inputs = Inputs("x", {}, {}, seed, {})
    computed = Computed({"aurocs": table, "scores": single})
    code = {"version": "0", "commit": "c", "tree": "clean"}
    return results.save(inputs, computed, f"l{seed}", {"seed": seed, "same": 1}, "c", 1.0, code)


def test_two_results_are_compared_row_by_row(fresh: Path) -> None:
    first, second = made(0, 0.0), made(1, 0.1)
    assert differing_parameters(first, second).to_numpy().tolist() == [["seed", 0, 1]]
    tables = dict(differing_tables(first, second))
    (row,) = tables["aurocs"].to_dict("records")
    assert (row["rows"], row["mean change"], row["largest change"]) == (2, 0.05, 0.1)
    (row,) = tables["scores"].to_dict("records")
    assert (row["rows"], row["first"], row["second"]) == (1, 2.5, 2.6)
    said = run("compare", "x/l0", "x/l1")
    assert "seed" in said
    assert "largest change" in said


def test_the_cache_is_shown_and_cleared(fresh: Path) -> None:
    assert "nothing is kept" in run("cache")
    (fresh / "cache" / "statistics").mkdir(parents=True)
    (fresh / "cache" / "statistics" / "x").write_bytes(b"0" * 2**20)
    assert "statistics: 1 files, 1.0 MiB" in run("cache")
    assert CliRunner().invoke(main, ["cache", "--clear"], input="n\n").exit_code == 0
    assert (fresh / "cache" / "statistics" / "x").is_file()
    assert "deleted" in run("cache", "--clear", "--yes")
    assert "nothing is kept" in run("cache")


def test_a_run_writes_a_page_that_needs_nothing_else(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    # A machine without a browser: what was asked for is written down, and refused.
    monkeypatch.setattr(webbrowser, "open", opened.append)
    asked = ("-p", "profile=smoke", "-p", "seed", "010", "-o", "q_{x}.ipynb", "--open")
    said = run("run", "quickstart", *asked)
    assert "executed notebook: q_{x}.ipynb" in said
    assert "page: q_{x}.html" in said
    assert opened == [(fresh / "q_{x}.html").as_uri()]
    assert "no browser could be opened" in said
    page = (fresh / "q_{x}.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "<details>" in page
    for outside in ('src="http', 'href="http', "@import", "{glue:text}"):
        assert outside not in page
    assert nbformat.read(fresh / "q_{x}.ipynb", 4).metadata["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "-"), "the output is '-', but it must be a path ending in .ipynb"),
        (("-o", "page.html"), "must be a path ending in .ipynb"),
        (("-o", "afile/out.ipynb"), "afile/out.ipynb cannot be written"),
        (("-p", "seed=1:30"), "seed is '1:30', but it must be of type int"),
        (("-p", "seed", "0x10"), "seed is '0x10', but it must be of type int"),
        (("-p", "epochs", "1e400"), "epochs is inf, but it must be"),
        (("-p", "seed", str(2**32)), "at most 4,294,967,295"),
        (("-o", "x" * 300 + ".ipynb"), "choose another place by -o"),
        (("-p", "id_dataset=folder:pictures?size=33"), "size=32"),
        (("-p", "id_dataset=folder:pictures?size=30&grey"), "size=32"),
        (
            ("-p", "id_dataset=folder:pictures", "-p", "ood_dataset=folder:./pictures?grey"),
            "hold the same pictures",
        ),
    ],
)
def test_what_cannot_be_run_is_said_in_one_sentence(
    fresh: Path, words: tuple[str, ...], said: str
) -> None:
    (fresh / "afile").touch()
    (fresh / "pictures").mkdir()
    assert said in refused("run", "quickstart", "-p", "profile", "smoke", *words)


def test_a_run_knows_the_result_that_score_and_compare_take(fresh: Path) -> None:
    given = {"id_dataset": "digits", "profile": "smoke"}
    result = stored_result("notebooks/epoch_sweep.ipynb", given)
    assert result is not None
    assert run("compare", result.name, result.name).count(result.name) == 2
    assert stored_result("epoch_sweep", {**given, "seed": "77"}) is None
    assert stored_result("quickstart", {}) is None


@pytest.mark.parametrize("path", [".ipynb", "a/.ipynb", "{x}.ipynb", "a b.c.ipynb"])
def test_a_path_is_an_output_as_it_is_written(fresh: Path, path: str) -> None:
    _require_writable(Path(path))
    assert not Path(path).exists()


@pytest.mark.parametrize("size", ["33", "50&grey"])
def test_a_size_that_no_flow_takes_is_refused_by_studies_too(fresh: Path, size: str) -> None:
    (fresh / "pictures").mkdir()
    for name in ("epoch_sweep", "readings", "shift"):
        said = refused("run", name, "-p", f"id_dataset=folder:pictures?size={size}")
        assert "a Glow halves them twice" in said
    said = refused(
        "run",
        "epoch_sweep",
        "-p",
        "id_dataset=folder:pictures?size=8",
        "-p",
        "ood_datasets=digits,folder:pictures?size=16",
    )
    assert "hold the same pictures" in said


@pytest.mark.parametrize("count", ["two", "0", "1.5"])
def test_a_number_of_threads_is_checked_before_a_kernel_starts(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    monkeypatch.setenv("EARLYGLOW_THREADS", count)
    said = refused("run", "quickstart", "-p", "profile", "smoke")
    assert f"EARLYGLOW_THREADS is {count!r}, but it must be a whole number" in said


@pytest.mark.parametrize("change", ["other cells", "no notebook"])
def test_another_notebook_of_the_same_name_is_not_taken_for_the_books(
    fresh: Path, change: str
) -> None:
    text = find_notebook("quickstart").read_text(encoding="utf-8")
    own = fresh / "quickstart.ipynb"
    own.write_text(text, encoding="utf-8")
    assert find_notebook("quickstart.ipynb") == find_notebook("quickstart")
    changed = text.replace("steps=4", "steps=5") if change == "other cells" else "text"
    own.write_text(changed, encoding="utf-8")
    for name in ("quickstart.ipynb", str(own)):
        assert "is not the book's quickstart" in refused("run", name, "-p", "profile=smoke")


def test_notebooks_are_listed_by_their_paths_too() -> None:
    outcome = CliRunner().invoke(main, ["list", "notebooks/idea.ipynb"])
    assert outcome.exit_code == 0
    assert "stretch: float = 2.0" in outcome.output


@pytest.mark.parametrize(
    "words", [("score", "x", "y", "--false-alarms", "nan"), ("verify", "--tolerance", "nan")]
)
def test_nan_is_within_no_range(words: tuple[str, ...]) -> None:
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 2
    assert "nan is no number" in outcome.output


@pytest.mark.parametrize("table", ["x.xlsx", "x.JSON"])
def test_a_table_is_written_as_csv_alone(fresh: Path, table: str) -> None:
    assert "written as CSV" in refused("score", "epoch_sweep/digits", ".", "-o", table)


def test_a_file_where_the_runs_should_be_is_said(fresh: Path) -> None:
    (fresh / "runs").touch()
    assert "cannot be written" in refused("run", "quickstart", "-p", "profile=smoke")


def test_numbers_of_a_file_are_read_as_typed(fresh: Path) -> None:
    (fresh / "p.yaml").write_text("epochs: 1:30\n")
    assert "epochs is '1:30'" in refused("run", "quickstart", "-f", "p.yaml")
    (fresh / "p.yaml").write_text("epochs: [0, 1:30]\nid_dataset: digits\n")
    assert "'1:30'" in refused("run", "epoch_sweep", "-f", "p.yaml")


def test_the_kernel_is_this_interpreter_whatever_is_installed(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel of the usual name that would fail, where Jupyter looks for those of the user."""
    path = fresh / "jupyter" / "kernels" / "python3"
    path.mkdir(parents=True)
    (path / "kernel.json").write_text(
        '{"argv": ["/bin/false"], "display_name": "no", "language": "python"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(fresh / "jupyter"))
    cells = [nbformat.v4.new_code_cell("import sys; sys.executable")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), fresh / "in.ipynb")
    execute(fresh / "in.ipynb", fresh / "out.ipynb", {})
    (output,) = nbformat.read(fresh / "out.ipynb", 4).cells[-1].outputs
    assert output.data["text/plain"] == repr(sys.executable)
    assert (fresh / "out.ipynb").stat().st_mode & stat.S_IRUSR


def test_findings_are_filled_and_plain(tmp_path: Path) -> None:
    record = {"application/papermill.record/text/plain": "'0.9 [0.8, 1.0]'"}
    output = nbformat.v4.new_output("display_data", record)
    output.metadata["scrapbook"] = {"name": "late"}
    code = nbformat.v4.new_code_cell("glue()", outputs=[output])
    text = (
        "# T\n\n## What was found\n\nThe **late** one is {glue:text}`late` ([page](x.md)).\n\n"
        ":::{note}\nno\n:::\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[code, nbformat.v4.new_markdown_cell(text)])
    assert glued_texts(notebook) == {"late": "0.9 [0.8, 1.0]"}
    assert findings(notebook) == "The late one is 0.9 [0.8, 1.0] (page)."
    write_page(notebook, tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert "<strong>late</strong> one is 0.9 [0.8, 1.0] (page)" in page


def test_findings_are_set_in_lines_of_one_length() -> None:
    """A number takes less room than its name did in the notebook."""
    record = {"application/papermill.record/text/plain": "'0.9'"}
    output = nbformat.v4.new_output("display_data", record)
    output.metadata["scrapbook"] = {"name": "late"}
    code = nbformat.v4.new_code_cell("glue()", outputs=[output])
    item = "- One of {glue:text}`late`\n  and\n  " + "word " * 30 + "\n- **Two.**"
    text = f"## What was found\n\nIn\nshort:\n\n{item}\n\nThe end.\n"
    notebook = nbformat.v4.new_notebook(cells=[code, nbformat.v4.new_markdown_cell(text)])
    lines = findings(notebook).splitlines()
    assert lines[:2] == ["In short:", ""]
    assert lines[2].startswith("- One of 0.9 and word word")
    assert 90 < len(lines[2]) <= 96
    assert lines[3].startswith("  word")
    assert lines[-3:] == ["- Two.", "", "The end."]
