"""How far along its road a flow is: by the bits of its fit half, which no score is judged on."""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from earlyglow_book.tables.columns import FLOW
from earlyglow_book.tables.inference import student

# A change of this many bits per dimension is none.
BITS_MARGIN = 0.02


# Bits per dimension of the paper's own flows on their own test sets, by epoch, from the logs that
# were released with its code.
PAPER_BITS = {
    "cifar10": {1: 4.265, 10: 3.677, 250: 3.436},
    "celeba": {1: 3.824, 10: 3.365, 250: 3.181},
    "gtsrb": {1: 3.812, 10: 3.267, 250: 2.748},
}


class State(StrEnum):
    """What more steps would do to a flow."""

    CONVERGED = "converged"
    OVERFITTED = "overfitted"
    LEARNING = "still learning"


def late_epochs(fit_bits: pd.DataFrame) -> pd.Series:
    """The trained epoch at which the fit half has the fewest bits, by flow.

    Args:
        fit_bits: columns ``FLOW``, epoch, bits, one row for each image of the fit half.
    """
    trained = fit_bits[fit_bits["epoch"] > 0]
    means = trained.groupby([*FLOW, "epoch"])["bits"].mean().unstack("epoch")
    return means.idxmin(axis=1).rename("late")


def maturity_table(fit_bits: pd.DataFrame, cooled: pd.DataFrame) -> pd.DataFrame:
    """State of every flow that was cooled, with what its last doubling and the cooling changed.

    The *last doubling* is from half of the last epoch to the last; *cooling* is a twentieth more
    steps at a tenth of the rate. Changes are negative where bits fall, with paired 95 % intervals.

    Args:
        fit_bits: columns ``FLOW``, epoch, item, bits.
        cooled: columns ``FLOW``, item, bits, of the same images after cooling.

    Returns:
        Columns ``FLOW``, late, bits, doubling, doubling_low, doubling_high, cooling, cooling_low,
        cooling_high, state.

    Raises:
        ValueError: no flow has a checkpoint at half of its last epoch.
    """
    late, rows = late_epochs(fit_bits), []
    after_cooling = dict(tuple(cooled.groupby(FLOW)))
    for flow, part in fit_bits.groupby(FLOW):
        if flow not in after_cooling:
            continue
        bits = part.pivot(index="item", columns="epoch", values="bits").astype(float)
        last = bits.columns.max()
        if last / 2 not in bits:
            raise ValueError(
                f"the flow {flow} has no checkpoint at epoch {last / 2:g}, half of its last, so "
                "that its last doubling is unknown; keep one there."
            )
        cool = after_cooling[flow].set_index("item")["bits"].astype(float)
        doubling = student(bits[last] - bits[last / 2])
        cooling = student(cool - bits[last])
        rise = student(bits[last] - bits[late[flow]])
        means = (late[flow], bits[late[flow]].mean())
        rows.append((*flow, *means, *doubling, *cooling, state(doubling, cooling, rise)))
    changes = [f"{what}{end}" for what in ("doubling", "cooling") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*FLOW, "late", "bits", *changes, "state"])


def state(
    doubling: tuple[float, float, float],
    cooling: tuple[float, float, float],
    rise: tuple[float, float, float],
) -> State:
    """The plan's rule, from changes of bits as (value, low, high).

    Args:
        doubling: over the last doubling of steps.
        cooling: by the cooling.
        rise: from the epoch of the fewest bits to the last.
    """
    if doubling[1] > -BITS_MARGIN and doubling[2] < BITS_MARGIN and cooling[1] > -BITS_MARGIN:
        return State.CONVERGED
    return State.OVERFITTED if rise[1] > 0 else State.LEARNING
