"""Measure norms and training steps on this machine's GPU, and publish it in this copy."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.cost import GpuCost
from earlyglow_book.experiment import recompute


def main() -> None:
    result = recompute(GpuCost())
    print(result.provenance())
    with pd.option_context("display.width", 140, "display.max_rows", None):
        for name in ("right", "norms", "steps"):
            print(result.tables[name].to_string(index=False))


if __name__ == "__main__":
    main()
