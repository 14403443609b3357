"""What the book computes: its chapters, and what turns their parameters into stored results."""

import os

# Torch's OpenMP reads it when it is loaded. A thread that has nothing to do then sleeps soon; by
# default it spins, and takes the time of those that work where a machine is busy.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
