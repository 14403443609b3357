"""What the norms and a training step cost, measured side by side in one run."""

from earlyglow.experiments.cost.experiment import Cost
from earlyglow.experiments.cost.summaries import (
    arithmetic_table,
    memory_table,
    speed_table,
    targets_table,
)

__all__ = ["Cost", "arithmetic_table", "memory_table", "speed_table", "targets_table"]
