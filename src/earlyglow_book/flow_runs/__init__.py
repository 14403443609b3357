"""A profile becomes a flow, its checkpoints, and their norms."""
