"""Columns that say of which flow, and of which pair of sets, a row is."""

FLOW = ["id_dataset", "model", "seed"]
# The sets of a pair, and the pair under a model.
SETS = ["id_dataset", "ood"]
PAIR = [*SETS, "model"]
