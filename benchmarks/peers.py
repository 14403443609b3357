"""Measure other packages' norms of single images on this machine, and publish them in this copy."""

from __future__ import annotations

from earlyglow_book.chapters.cost import PeersCost
from earlyglow_book.experiment import recompute


def main() -> None:
    result = recompute(PeersCost())
    print(result.provenance())
    print(result.tables["peers"].drop(columns="refusal").round(6).to_string(index=False))


if __name__ == "__main__":
    main()
