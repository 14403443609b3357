"""Other packages' norms as a reader looks at them."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.tables.texts import Texts


def peers_table(peers: pd.DataFrame) -> pd.DataFrame:
    """A row for each model and package: tensors covered, largest relative error, images/s.

    Args:
        peers: of :func:`earlyglow_book.chapters.cost.peers.measured`.
    """
    table = peers.assign(
        covered=peers["tensors"].astype(str) + " of " + peers["of"].astype(str),
        error=peers["worst_error"].map("{:.0e}".format, na_action="ignore").fillna("refused"),
        rate=peers["images_per_second"].map("{:.0f}".format, na_action="ignore").fillna(""),
    )
    names = {"covered": "tensors", "error": "largest relative error", "rate": "images/s"}
    return table.set_index(["model", "package"])[list(names)].rename(columns=names)


def peer_words(peers: pd.DataFrame) -> Texts:
    """How many tensors of the Glow BackPACK covers, and how many there are."""
    glow = peers[peers["model"] == "Glow"].set_index("package")
    return {
        "peers_backpack_tensors": str(glow.loc["BackPACK", "tensors"]),
        "peers_of": str(glow.loc["BackPACK", "of"]),
    }
