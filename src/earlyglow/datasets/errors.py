"""The error of data sets."""


class DatasetError(Exception):
    """A data set that cannot be had as asked; the message says what to do."""
