"""Say whether two stores hold the same results: the same keys, and equal tables, byte by byte."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def tables(store: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of each table's file, by experiment and folder, whose name ends with the key."""
    found = {}
    for manifest in sorted(store.glob("*/*/manifest.json")):
        files = sorted(manifest.parent.glob("*.parquet"))
        digests = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        if digests != json.loads(manifest.read_text())["tables"]:
            sys.exit(f"{manifest.parent} does not hold the tables of its manifest")
        found[f"{manifest.parent.parent.name}/{manifest.parent.name}"] = digests
    return found


def main() -> None:
    """Print each result, and fail where one differs."""
    ours, theirs = (tables(Path(store)) for store in sys.argv[1:])
    for name in sorted({*ours, *theirs}):
        same = ours.get(name) == theirs.get(name)
        count = len(ours.get(name, theirs.get(name, {})))
        print(f"{'equal' if same else 'DIFFERENT'}  {name}  {count} tables")
    if not ours or ours != theirs:
        sys.exit("the stores differ")


if __name__ == "__main__":
    main()
