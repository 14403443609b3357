"""Where a data set's images are, and what they are, without loading them."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from earlyglow.cache import atomic_path, cache_folder
from earlyglow.checks import unknown
from earlyglow.datasets.catalogue import DATASETS, Dataset
from earlyglow.datasets.errors import DatasetError
from earlyglow.datasets.sources import unknown_dataset

SPLITS = ("train", "test")


def find_file(name: str, split: str) -> Path | None:
    """The Parquet file of a split, in ``$EARLYGLOW_DATA`` or the cache; None where it is not.

    Raises:
        DatasetError: the file's SHA-256 is not the one in ``$EARLYGLOW_DATA/SHA256SUMS``.
    """
    lookup(name, split)
    data = os.environ.get("EARLYGLOW_DATA")
    if data:
        path = Path(data).expanduser() / name / f"{split}.parquet"
        if path.is_file():
            _check_sum(path)
            return path
    cached = cached_file(name, split)
    return cached if cached.is_file() else None


def find_fingerprint(name: str, split: str) -> str | None:
    """The fingerprint of a split's pixels where the images are at hand without a download.

    Decoding tens of thousands of images takes seconds, so the answer is remembered in the cache
    under the SHA-256 of the file.
    """
    dataset = lookup(name, split)
    if dataset.origin == "embedded":
        return _embedded_fingerprint(name, split)
    if dataset.origin == "own":
        from earlyglow.datasets import own

        return own.source_fingerprint(name, split)
    path = find_file(name, split)
    if path is None:
        return None
    # Imported where images must be read: what is only looked for needs no torch.
    from earlyglow.datasets.parquet import read_parquet, recorded_fingerprint

    recorded = recorded_fingerprint(path)
    if recorded:
        return recorded
    memo = cache_folder() / "fingerprints" / f"{_sha256(path)}.txt"
    if not memo.is_file():
        images = read_parquet(path, name, split, dataset.shape, None)
        with atomic_path(memo) as temporary:
            temporary.write_text(images.fingerprint())
    return memo.read_text()


@cache
def _embedded_fingerprint(name: str, split: str) -> str:
    from earlyglow.datasets import embedded

    return getattr(embedded, name)(split).fingerprint()


def require_available(name: str, split: str) -> None:
    """Raise DatasetError where a split is neither on this machine nor offered for download."""
    dataset = lookup(name, split)
    if dataset.origin == "file" and find_file(name, split) is None:
        raise absent(name, split, "does not offer them")


def absent(name: str, split: str, reason: str) -> DatasetError:
    """The error for images that cannot be had; ``reason`` says why not by torchvision."""
    data = os.environ.get("EARLYGLOW_DATA")
    folder = Path(data or "$EARLYGLOW_DATA").expanduser()
    places = (folder / name / f"{split}.parquet", cached_file(name, split))
    is_nowhere = data and not folder.is_dir()
    nowhere = f"EARLYGLOW_DATA is {data!r}, which is no folder; " if is_nowhere else ""
    return DatasetError(
        f"the {split} images of {name} are not on this machine and torchvision {reason}; {nowhere}"
        f"put a Parquet file at {' or at '.join(map(str, places))}, or choose 'digits' or "
        "'textures', which need no file."
    )


def lookup(name: str, split: str) -> Dataset:
    """What is known of a data set; DatasetError where the name or the split is unknown."""
    if name not in DATASETS:
        raise DatasetError(unknown_dataset(name, DATASETS))
    if split not in SPLITS:
        raise DatasetError(unknown("split", split, SPLITS))
    return DATASETS[name]


def cached_file(name: str, split: str) -> Path:
    """Where a downloaded split is kept."""
    return cache_folder() / "datasets" / name / f"{split}.parquet"


def _check_sum(path: Path) -> None:
    sums = path.parents[1] / "SHA256SUMS"
    if not sums.is_file():
        return
    relative = f"{path.parent.name}/{path.name}"
    for line in sums.read_text(encoding="utf-8").splitlines():
        expected, _, listed = line.partition(" ")
        # A space or, from sha256sum -b, an asterisk comes before the name.
        if listed[1:] == relative and expected != _sha256(path):
            raise DatasetError(
                f"{path} does not have the SHA-256 that {sums} lists for it; copy the file again "
                "or remove its line."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
