"""The errors of training and of its files."""


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message names the file and the remedy."""


class NonFiniteLossError(Exception):
    """The loss became infinite or NaN; the message names epoch, step and the last checkpoint."""
