"""Image sets of the user's own pictures: a folder, or a Parquet file with an image column."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from earlyglow.cache import cache_folder
from earlyglow.datasets.errors import DatasetError
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.parquet import FINGERPRINT, read_parquet, write_parquet
from earlyglow.datasets.pictures import SUFFIXES, picture_files, read_picture, shown
from earlyglow.datasets.sources import Source, parse_source

_SPLITS = ("train", "test")
# What others call the held-out part: as a class folder it would be mixed with the training images.
_OTHER_SPLITS = ("val", "valid", "validation", "dev", "eval", "testing")
# Fewer make no two halves worth the name.
_LEAST = 4
_CHUNK = 256


@dataclass(frozen=True)
class _Picture:
    """One picture before it is decoded: who it is, its class, and how its bytes are had."""

    what: str
    label: int
    read: Callable[[], bytes]


def load_folder(
    path: str | Path, size: int = 32, grey: bool = False, split: str | None = None
) -> ImageSet:
    """Load any folder of pictures, nested as you like.

    PNG, JPEG, WebP, TIFF, BMP and GIF of any mode with 8 bits and any size are read, turned as
    their EXIF orientation says, cut to the middle square and resized. Class folders become labels,
    in the order of their names; pictures outside of one get -1. Where the folder has the folders
    ``train`` and ``test``, they are the splits. Else a picture's own bytes decide, half and half,
    so that no picture moves when others are added. Hidden files are passed over, links followed.

    Args:
        path: the folder.
        size: height and width of the images.
        grey: whether colour is dropped (Rec. 601 luma).
        split: "train", "test", or None for all.

    Returns:
        ImageSet with ``images`` uint8 (N, 1 or 3, size, size).

    Raises:
        DatasetError: there is no such folder, it has too few pictures, its held-out part is called
            ``val`` beside a ``train``, or a picture cannot be read; the message names the file.
    """
    if not isinstance(path, str | os.PathLike):
        raise DatasetError(f"the folder is {path!r}, but a path is needed.")
    if grey not in (True, False):
        raise DatasetError(f"grey is {grey!r}, but it must be True or False.")
    name = f"folder:{path}?size={size}" + ("&grey" if grey else "")
    source = parse_source(name)
    if split is None:
        pictures = [p for part in _SPLITS for p in _pictures(source, part)]
        return _decoded(pictures, source, name, "all")
    return load_source(name, split)


def load_source(name: str, split: str) -> ImageSet:
    """The images of a split of "folder:…" or "parquet:…"; decoded once and then kept.

    Raises:
        DatasetError: as :func:`load_folder`.
    """
    source = parse_source(name)
    if split not in _SPLITS:
        raise DatasetError(f"split is {split!r}, but it must be train or test.")
    kept = cache_folder() / "datasets" / "own" / f"{_state(source, split)}.parquet"
    if not kept.is_file():
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(
                f"{kept.parent}, where pictures are kept, cannot be made ({error.strerror}); let "
                "EARLYGLOW_CACHE name another folder."
            ) from error
        write_parquet(kept, _decoded(_pictures(source, split), source, name, split))
    return read_parquet(kept, name, split, source.shape, None)


def source_fingerprint(name: str, split: str) -> str:
    """The fingerprint of a split's pixels: the same wherever the pictures lie."""
    source = parse_source(name)
    kept = cache_folder() / "datasets" / "own" / f"{_state(source, split)}.parquet"
    if not kept.is_file():
        return load_source(name, split).fingerprint()
    return (pq.read_schema(kept).metadata or {})[FINGERPRINT].decode()


def _pictures(source: Source, split: str) -> list[_Picture]:
    return list(_in_folder(source, split) if source.kind == "folder" else _in_table(source, split))


def _in_folder(source: Source, split: str) -> Iterator[_Picture]:
    root = source.path
    divided = all((root / part).is_dir() for part in _SPLITS)
    others = [] if divided else [p.name for p in root.iterdir() if p.name.lower() in _OTHER_SPLITS]
    if others and (root / "train").is_dir():
        raise DatasetError(
            f"{root} has the folders train and {others[0]}, but splits are named train and test; "
            f"rename {others[0]} to test, or name {root / 'train'} alone."
        )
    base = root / split if divided else root
    files = picture_files(base)
    if not files:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise DatasetError(f"there is no picture in {base}; pictures end in one of {kinds}.")
    classes = sorted({file.parent.relative_to(base).as_posix() for file in files} - {"."})
    for file in files:
        if not divided and _half(_content(file)) != split:
            continue
        place = file.parent.relative_to(base).as_posix()
        label = classes.index(place) if place != "." else -1
        yield _Picture(shown(file), label, partial(_content, file))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{shown(file)} cannot be read ({error.strerror}); mend it, or take it away."
        ) from error


def _in_table(source: Source, split: str) -> Iterator[_Picture]:
    root = source.path
    files = sorted(root.glob("*.parquet")) if root.is_dir() else [root]
    of_split = [file for file in files if file.name.startswith(split)]
    divided = any(file.name.startswith(part) for file in files for part in _SPLITS)
    if not files or (divided and not of_split):
        raise DatasetError(f"there is no Parquet file of the {split} images in {root}.")
    for file in of_split if divided else files:
        for row, (encoded, label) in enumerate(_rows(file)):
            what = f"row {row} of {file}"
            if encoded is None:
                raise DatasetError(
                    f"{what}: the image is not embedded, there is only a path; save the data set "
                    "with its images in it."
                )
            if divided or _half(encoded) == split:
                yield _Picture(what, label, lambda encoded=encoded: encoded)  # type: ignore[misc]


def _rows(file: Path) -> Iterator[tuple[bytes | None, int]]:
    """Encoded image and label of every row of a Hugging Face image column."""
    try:
        table = pq.read_table(file)
        column = next(
            name
            for name, kind in zip(table.schema.names, table.schema.types, strict=True)
            if pa.types.is_struct(kind) and "bytes" in [field.name for field in kind]
        )
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{file} is no readable Parquet file ({error}).") from error
    except StopIteration:
        raise DatasetError(
            f"{file} has no image column, which is a struct with 'bytes'; its columns are "
            f"{', '.join(pq.read_schema(file).names)}."
        ) from None
    try:
        labels = table["label"].cast(pa.int64()).fill_null(-1).to_pylist()
    except KeyError:
        labels = [-1] * len(table)
    except pa.ArrowException as error:
        raise DatasetError(
            f"the labels of {file} are of type {table['label'].type}, but whole numbers below "
            "2**63 are needed; number the classes, or leave out the column 'label'."
        ) from error
    for item, label in zip(table[column].to_pylist(), labels, strict=True):
        yield (item or {}).get("bytes"), label


def _half(content: bytes) -> str:
    return _SPLITS[hashlib.sha256(content).digest()[0] % 2]


def _decoded(pictures: Sequence[_Picture], source: Source, name: str, split: str) -> ImageSet:
    if len(pictures) < _LEAST:
        raise DatasetError(
            f"the images of {name} ({split}) are {len(pictures)}, but at least {_LEAST} are "
            "needed; add pictures."
        )
    images = np.empty((len(pictures), *source.shape), np.uint8)

    def decode(place: int) -> None:
        picture = pictures[place]
        images[place] = read_picture(picture.read(), picture.what, source.shape)

    # Pillow releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, range(len(pictures))))
    labels = torch.tensor([picture.label for picture in pictures], dtype=torch.int64)
    return ImageSet(torch.from_numpy(images), labels, name, split)


def _state(source: Source, split: str) -> str:
    """What tells whether the pictures are still those that were decoded."""
    files = picture_files(source.path, False) if source.kind == "folder" else [source.path]
    if source.kind == "parquet" and source.path.is_dir():
        files = sorted(source.path.glob("*.parquet"))
    digest = hashlib.sha256(os.fsencode(repr((source, split))))
    for file in files:
        # A link that leads nowhere is named when it is read.
        status = file.stat() if file.exists() else file.lstat()
        digest.update(os.fsencode(f"{file}|{status.st_size}|{status.st_mtime_ns}"))
    return digest.hexdigest()[:32]
