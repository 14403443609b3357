"""Execute every notebook into a staging copy, build the book strictly, and say where it is.

With ``--as-committed`` the notebooks keep the outputs that they were committed with.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import yaml

from earlyglow_book.notebooks import execute, find_notebook
from earlyglow_book.registry import chapter_names

ROOT = Path(__file__).parents[1]


def read_config() -> dict[str, Any]:
    """The book's configuration as it is kept."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config


def stage(folder: Path, config: dict[str, Any]) -> None:
    """Copy the book's sources to ``folder``, without the notebooks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "_toc.yml", folder)
    text = yaml.safe_dump(with_launch_buttons(config), sort_keys=False)
    (folder / "_config.yml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "book", folder / "book")
    (folder / "notebooks").mkdir()


def with_launch_buttons(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with buttons that start notebooks, or, without an address, with none."""
    address = config["repository"]["url"]
    if not address:
        return {name: value for name, value in config.items() if name != "repository"}
    buttons = {"binderhub_url": "https://mybinder.org"}
    if is_on_github(address):
        buttons["colab_url"] = "https://colab.research.google.com"
    return config | {"launch_buttons": buttons}


def is_on_github(address: str) -> bool:
    """Whether Colab can open the notebooks of a repository."""
    return address.startswith("https://github.com/")


def say_what_colab_installs(folder: Path, repository: dict[str, str]) -> None:
    """Below the title of each staged notebook, the line that Colab has to run first.

    Binder builds what environment.yml names; Colab brings its own packages. The committed
    notebooks do not know the address, and so cannot install anything.
    """
    line = f'%pip install "git+{repository["url"]}@{repository["branch"]}"'
    note = (
        ":::{admonition} On Colab, run this first\n:class: dropdown\n"
        f"In a new cell above all others (a few minutes, once):\n\n```\n{line}\n```\n:::"
    )
    for path in folder.glob("*.ipynb"):
        notebook = nbformat.read(path, 4)
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(note, id="on-colab"))
        nbformat.write(notebook, path)


def execute_notebooks(folder: Path) -> None:
    """Execute every notebook into ``folder``."""
    for name in chapter_names():
        print(f"executing {name}", flush=True)
        execute(find_notebook(name), folder / f"{name}.ipynb", {})


def copy_notebooks(folder: Path) -> None:
    """Copy every notebook into ``folder`` with the outputs that it has."""
    for name in chapter_names():
        shutil.copy(find_notebook(name), folder)


def build(source: Path, output: Path) -> Path:
    """Build the staged book; any warning fails. Returns the first page."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        *("build", str(source), "--path-output", str(output), "-n", "-W", "--keep-going", "-q"),
    ]
    subprocess.run(command, check=True)
    return output / "_build" / "html" / "index.html"


def main() -> None:
    os.environ["EARLYGLOW_PUBLISHED"] = "1"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build")
    parser.add_argument("--as-committed", action="store_true")
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    config = read_config()
    stage(output / "source", config)
    fill = copy_notebooks if arguments.as_committed else execute_notebooks
    fill(output / "source" / "notebooks")
    if is_on_github(config["repository"]["url"]):
        say_what_colab_installs(output / "source" / "notebooks", config["repository"])
    try:
        page = build(output / "source", output)
    except subprocess.CalledProcessError as error:
        # Sphinx warns of a page once and takes it as built the next time.
        shutil.rmtree(output / "_build", ignore_errors=True)
        sys.exit(f"the book was not built: see the warnings above (exit code {error.returncode})")
    print(f"\nThe book is built. Open {page}")


if __name__ == "__main__":
    main()
