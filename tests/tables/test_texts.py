"""Numbers as text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from earlyglow_book.tables.texts import from_to, typeset


def test_a_range_has_signs_where_it_needs_them() -> None:
    assert from_to(pd.Series([-0.1, 0.25])) == "-0.100 to +0.250"
    assert from_to(pd.Series(np.array([0.1, 0.25]))) == "0.100 to 0.250"


@pytest.mark.parametrize(
    ("plain", "set_in_type"),
    [
        ("-0.10 [-0.20, -.05]", "−0.10 [−0.20, −.05]"),
        ("loss of -3 %, (-4)", "loss of −3 %, (−4)"),
        ("2026-11-27, 1e-5, 20-21, p-value, DenseNet-121", None),
    ],
)
def test_only_negative_numbers_get_a_minus_sign(plain: str, set_in_type: str | None) -> None:
    assert typeset(plain) == (set_in_type or plain)
    assert typeset(typeset(plain)) == typeset(plain)
