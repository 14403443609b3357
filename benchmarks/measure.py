"""Measure what norms and training steps cost on this machine, and publish it in this copy."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.cost import Cost
from earlyglow_book.chapters.cost.tables import memory_table, speed_table, targets_table
from earlyglow_book.experiment import recompute


def main() -> None:
    result = recompute(Cost())
    print(result.provenance())
    with pd.option_context("display.width", 140, "display.max_rows", None):
        print(speed_table(result.tables["times"]).round(2).to_string(index=False))
        print(memory_table(result.tables["memory"]).round(1).to_string())
        print(targets_table(result.tables).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
