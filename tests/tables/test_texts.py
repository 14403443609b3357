"""Numbers as text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from earlyglow_book.tables.texts import from_to


def test_a_range_has_signs_where_it_needs_them() -> None:
    assert from_to(pd.Series([-0.1, 0.25])) == "-0.100 to +0.250"
    assert from_to(pd.Series(np.array([0.1, 0.25]))) == "0.100 to 0.250"
