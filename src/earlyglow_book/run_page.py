"""An executed notebook as a page of its own: one HTML file that needs nothing else."""

from __future__ import annotations

import ast
import functools
import html
import re
import textwrap
from pathlib import Path
from typing import Any

from earlyglow_book.places import shipped

_STYLE = """
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
img, svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
pre { overflow-x: auto; background: #f6f6f6; padding: .5rem; }
details > summary { color: #555; cursor: pointer; font-size: small; }
.claim { border-left: .4rem solid #767676; padding-left: .8rem; margin: .8rem 0; }
@media (prefers-color-scheme: dark) {
  body { background: #121212; color: #ddd; } pre { background: #222; } img { background: #fff; }
}
"""
_GLUED = re.compile(r"\{glue:text\}`([^`]+)`")
_RECORD = "application/papermill.record/text/plain"


def glued_texts(notebook: Any) -> dict[str, str]:
    """What an executed notebook keeps for its text, by name."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if _RECORD in output.get("data", {}):
                name = output.metadata["scrapbook"]["name"]
                found[name] = str(ast.literal_eval(output.data[_RECORD]))
    return found


def findings(notebook: Any) -> str:
    """The notebook's section "What was found" as plain text; "" where it has none."""
    texts = glued_texts(notebook)
    for cell in notebook.cells:
        found = re.search(r"^## What was found\n(.*?)(?=^## |^:::|\Z)", cell.source, re.M | re.S)
        if cell.cell_type == "markdown" and found:
            return _wrapped(_plain(filled(found[1], texts)).strip())
    return ""


def write_page(notebook: Any, path: Path) -> None:
    """Write an executed notebook as HTML: figures inside, code folded, no network needed."""
    texts, parts = glued_texts(notebook), []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(_markdown(filled(cell.source, texts)))
            continue
        code = f"<pre>{html.escape(cell.source)}</pre>"
        parts.append(f"<details><summary>code</summary>{code}</details>")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "figure")
        parts += [_output(output, alt) for output in cell.get("outputs", ())]
    title = html.escape(path.stem)
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>",
        encoding="utf-8",
    )


def _output(output: Any, alt: str) -> str:
    data = output.get("data", {})
    if "image/svg+xml" in data:
        return str(data["image/svg+xml"])
    if "image/png" in data:
        source = f"data:image/png;base64,{data['image/png'].strip()}"
        return f'<p><img alt="{html.escape(alt)}" src="{source}"></p>'
    if "text/html" in data:
        return str(data["text/html"])
    text = data.get("text/plain", "") if _RECORD not in data else ""
    text = output.get("text", text)
    return f"<pre>{html.escape(text)}</pre>" if text and not _is_repr(text) else ""


def _is_repr(text: str) -> bool:
    """Whether it only names an object, such as a figure that is shown anyway."""
    return bool(re.fullmatch(r"<[\w.]+[^>]*>", text.strip()))


def filled(source: str, texts: dict[str, str]) -> str:
    """Markdown with its glued texts in their places, or a question mark.

    What is glued in another notebook is taken from the book's own copy of that one.
    """

    def text(found: re.Match[str]) -> str:
        other, _, name = found[1].rpartition("::")
        known = _committed_texts(other) if other else texts
        return known.get(name.partition(":")[0], "?")

    return _GLUED.sub(text, source)


@functools.cache
def _committed_texts(file: str) -> dict[str, str]:
    """The glued texts of a notebook of the book; none where there is no such notebook."""
    import nbformat

    path = shipped("notebooks") / Path(file).name
    return glued_texts(nbformat.read(path, 4)) if path.is_file() else {}


def _markdown(source: str) -> str:
    """Markdown with the book's boxes and links as far as one page can have them."""
    from markdown_it import MarkdownIt

    source = re.sub(r"^:::+\{(\w+)\}(.*)$", r"**\2**", source, flags=re.M)
    source = re.sub(r"^:(class|name):.*$|^:::+$", "", source, flags=re.M)
    source = re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", source)
    return str(MarkdownIt("commonmark").enable("table").render(source))


def _plain(source: str) -> str:
    """Markdown without its marks."""
    source = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", source)
    return re.sub(r"[*`]{1,3}(?=\S)|(?<=\S)[*`]{1,3}", "", source)


def _wrapped(text: str) -> str:
    """Paragraphs and items in lines of one length, as numbers are shorter than their names."""
    parts = re.split(r"(\n+(?=- )|\n{2,})", text)
    indented = ("  " if part.startswith("- ") else "" for part in parts)
    return "".join(
        textwrap.fill(" ".join(part.split()), 96, subsequent_indent=indent, break_on_hyphens=False)
        if part.strip()
        else part
        for part, indent in zip(parts, indented, strict=True)
    )
