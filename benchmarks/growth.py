"""Measure how the cost of norms and training steps grows, and publish it in this copy."""

from __future__ import annotations

from earlyglow_book.chapters.cost.growth import Growth, exponents, growth_table
from earlyglow_book.experiment import recompute


def main() -> None:
    result = recompute(Growth())
    print(result.provenance())
    print(exponents(growth_table(result.tables["times"])).round(2).to_string())


if __name__ == "__main__":
    main()
