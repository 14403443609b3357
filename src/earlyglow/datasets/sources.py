"""Pictures of the user's own, named by where they lie: ``folder:/path?size=28&grey``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from earlyglow.checks import unknown
from earlyglow.datasets.errors import DatasetError

KINDS = ("folder", "parquet")
_LEAST_SIZE, _MOST_SIZE = 4, 1024
_USUAL_SIZE = 32


@dataclass(frozen=True)
class Source:
    """Where pictures lie and what they become.

    Attributes:
        kind: "folder" of pictures, or "parquet": a file or folder of Hugging Face image columns.
        path: where.
        size: height and width of the images.
        grey: whether they become grey.
    """

    kind: str
    path: Path
    size: int = _USUAL_SIZE
    grey: bool = False

    @property
    def title(self) -> str:
        """The folder's or file's own name, for readers."""
        return self.path.stem if self.kind == "parquet" else self.path.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return (1 if self.grey else 3), self.size, self.size


def unknown_dataset(name: object, known: Iterable[str]) -> str:
    """The sentence for a data set that does not exist; a path is told how it becomes one."""
    text = str(name)
    is_path = text.lower().startswith(KINDS) or any(mark in text for mark in "/\\~")
    remedy = " For a folder of pictures write folder:PATH, in lower case." if is_path else ""
    return unknown("data set", name, known) + remedy


def is_source(name: str) -> bool:
    """Whether a data set's name says where pictures lie."""
    return name.partition(":")[0] in KINDS and ":" in name


def parse_source(name: str) -> Source:
    """Read a name such as "folder:~/birds?size=28&grey" or "parquet:C:\\sets\\birds.parquet".

    Raises:
        DatasetError: there is no such folder or file, or an option is unknown.
    """
    kind, _, rest = name.partition(":")
    path, options = rest, ""
    # A path may hold a question mark; what follows the last one is options if it looks like them.
    head, mark, tail = rest.rpartition("?")
    if mark and re.fullmatch(r"[a-z]+(=[^&=]*)?(&[a-z]+(=[^&=]*)?)*", tail):
        path, options = head, tail
    given = [option.partition("=")[::2] for option in options.split("&") if option]
    values = dict(given)
    if len(values) < len(given):
        raise DatasetError(f"{name} gives an option twice; give each once.")
    for option in values:
        if option not in ("size", "grey"):
            raise DatasetError(
                f"{name} has the option {option!r}, but there are only size and grey, as in "
                f"{kind}:{path}?size=28&grey."
            )
    found = Path(path).expanduser()
    if not path or not found.exists():
        raise DatasetError(
            f"there is no folder or file {path!r}, which {name!r} names; check the path, or write "
            "it in full."
        )
    if kind == "folder" and not found.is_dir():
        raise DatasetError(f"{path} is no folder; for a Parquet file write parquet:{path}.")
    return Source(kind, found.resolve(), _size(name, values), _is_grey(name, values))


def _size(name: str, values: dict[str, str]) -> int:
    text = values.get("size", str(_USUAL_SIZE))
    if not text.isdecimal() or not _LEAST_SIZE <= int(text) <= _MOST_SIZE:
        raise DatasetError(
            f"the size in {name} is {text!r}, but it must be a whole number from {_LEAST_SIZE} to "
            f"{_MOST_SIZE}."
        )
    return int(text)


def _is_grey(name: str, values: dict[str, str]) -> bool:
    text = values.get("grey", "false")
    known = {"": True, "1": True, "true": True, "0": False, "false": False}
    if text.lower() not in known:
        raise DatasetError(f"grey in {name} is {text!r}, but it must be true or false.")
    return known[text.lower()]
