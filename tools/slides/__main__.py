"""Write a deck for each lesson as one HTML file that needs nothing else."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import yaml
from nbconvert import SlidesExporter

from earlyglow_book.classroom.pages import read_cells
from tools.slides.deck import Figure, deck

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_REVEAL = ROOT / "book" / "_static" / "reveal"


def plan() -> dict[str, dict[int, list[Figure]]]:
    """Which figures are shown in which section of which lesson."""
    lessons = yaml.safe_load((ROOT / "book" / "slides.yml").read_text(encoding="utf-8"))
    return {
        lesson: {place: [Figure(**one) for one in shown] for place, shown in sections.items()}
        for lesson, sections in lessons.items()
    }


def write_decks(folder: Path) -> list[Path]:
    """Write ``likelihood.html`` and so on into ``folder``; return what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    exporter = SlidesExporter(template_file=str(_HERE / "deck.html.j2"), exclude_anchor_links=True)
    parts = {
        "styles": [_REVEAL / "reveal.css", _HERE / "deck.css"],
        "scripts": [_REVEAL / "reveal.js"],
        "licences": [_REVEAL / "LICENSE.txt"],
    }
    inlined = {
        name: [p.read_text(encoding="utf-8") for p in files] for name, files in parts.items()
    }
    written = []
    for lesson, figures in plan().items():
        source = (ROOT / "book" / "lessons" / f"{lesson}.md").read_text(encoding="utf-8")
        notebook = deck(read_cells(source), figures)
        title = notebook.cells[0].source.removeprefix("# ")
        resources = {"deck": inlined | {"title": title}}
        html, _ = exporter.from_notebook_node(notebook, resources=resources)
        path = folder / f"{lesson}.html"
        path.write_text(html, encoding="utf-8")
        written.append(path)
    return written


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write the decks")
    for path in write_decks(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
