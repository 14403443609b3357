"""Compare what the executed notebooks show with what they showed at another commit.

    python tests/compare_notebooks.py REVISION

Every table, and every number in printed lines and in glued texts, is taken from both versions. The
script fails where a notebook shows fewer numbers than before, or another table. What says where a
result comes from, and the quickstart, which is computed live, are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?%?")
PROVENANCE = re.compile(r"result [0-9a-f]{12}\b")
LIVE = ("quickstart",)


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Outputs of the cells after the parameters and the set-up."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [output for cell in code[2:] for output in cell["outputs"]]


def tables(notebook: dict[str, Any]) -> Counter[str]:
    """The cells of every table, one after the other, whatever the layout."""
    pages = (
        "".join(output["data"]["text/html"])
        for output in outputs(notebook)
        if "<table" in "".join(output.get("data", {}).get("text/html", ""))
    )
    return Counter(
        " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", p, flags=re.S).split()) for p in pages
    )


def numbers(notebook: dict[str, Any]) -> Counter[str]:
    """Every number in printed lines, tables and glued texts, with how often it occurs."""
    texts = []
    for output in outputs(notebook):
        data = output.get("data", {})
        texts.append("".join(output.get("text", "")))
        texts += ["".join(data[kind]) for kind in data if kind.endswith("text/plain")]
    shown = (text.replace("\N{MINUS SIGN}", "-") for text in texts if "<Figure" not in text)
    lines = "\n".join(shown).splitlines()
    return Counter(NUMBER.findall("\n".join(line for line in lines if not PROVENANCE.match(line))))


def before(revision: str) -> dict[str, dict[str, Any]]:
    """The notebooks of a revision, by name."""
    git = ["git", "-C", str(ROOT)]
    listed = [*git, "ls-tree", "--name-only", revision, "notebooks/"]
    names = subprocess.run(listed, capture_output=True, check=True, text=True).stdout.split()
    contents = (
        subprocess.run([*git, "show", f"{revision}:{name}"], capture_output=True, check=True).stdout
        for name in names
    )
    return dict(zip((Path(name).stem for name in names), map(json.loads, contents), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision")
    revision = parser.parse_args().revision
    failed, counted, shown = [], 0, 0
    for name, then in before(revision).items():
        if name in LIVE:
            continue
        now = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        lost_numbers = numbers(then) - numbers(now)
        lost_tables = tables(then) - tables(now)
        lost = f"lost: {sum(lost_numbers.values())} numbers, {sum(lost_tables.values())} tables"
        count, pages = sum(numbers(then).values()), sum(tables(then).values())
        print(f"{name:<24} {count:6,} numbers, {pages:3} tables before; {lost}")
        counted, shown = counted + count, shown + pages
        if lost_numbers or lost_tables:
            failed.append(name)
            print("    ", dict(lost_numbers.most_common(12)))
    print(f"{counted:,} numbers and {shown} tables compared")
    if failed:
        sys.exit(f"fewer or other numbers in: {', '.join(failed)}")


if __name__ == "__main__":
    main()
