"""Find a data set: in ``$EARLYGLOW_DATA``, in the user's cache, or through torchvision."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from earlyglow.cache import atomic_path, cache_folder
from earlyglow.datasets.catalogue import DATASETS, Dataset
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.parquet import (
    DatasetError,
    read_parquet,
    recorded_fingerprint,
    write_parquet,
)
from earlyglow.settings import unknown

SPLITS = ("train", "test")


def load_images(name: str, split: str = "test", limit: int | None = None) -> ImageSet:
    """Load a data set by name.

    It is looked for in ``$EARLYGLOW_DATA/<name>/<split>.parquet``, then in the user's cache, then
    downloaded by torchvision and cached. ``digits`` and ``textures`` need no file.

    Args:
        name: a key of ``earlyglow.DATASETS``.
        split: "train" or "test".
        limit: keep the first ``limit`` images; all where omitted.

    Returns:
        ImageSet with ``images`` uint8 (N, C, H, W) and ``labels`` int64 (N,).

    Raises:
        DatasetError: unknown name or split, no source, or a damaged file.
        ValueError: ``limit`` is below 1.

    Examples:
        >>> load_images("digits", limit=5).images.shape
        torch.Size([5, 1, 8, 8])
    """
    dataset = _lookup(name, split)
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, but at least 1 image must be loaded.")
    if dataset.make is not None:
        images = dataset.make(split)
        return ImageSet(images.images[:limit], images.labels[:limit], name, split)
    path = find_file(name, split)
    if path is None:
        path = _download(name, split, dataset)
    return read_parquet(path, name, split, dataset.shape, limit)


def find_file(name: str, split: str) -> Path | None:
    """The Parquet file of a split, in ``$EARLYGLOW_DATA`` or the cache; None where it is not.

    Raises:
        DatasetError: the file's SHA-256 is not the one in ``$EARLYGLOW_DATA/SHA256SUMS``.
    """
    _lookup(name, split)
    data = os.environ.get("EARLYGLOW_DATA")
    if data:
        path = Path(data).expanduser() / name / f"{split}.parquet"
        if path.is_file():
            _check_sum(path)
            return path
    cached = _cached_file(name, split)
    return cached if cached.is_file() else None


def find_fingerprint(name: str, split: str) -> str | None:
    """The fingerprint of a split's pixels where the images are at hand without a download.

    Decoding tens of thousands of images takes seconds, so the answer is remembered in the cache
    under the SHA-256 of the file.
    """
    dataset = _lookup(name, split)
    if dataset.make is not None:
        return dataset.make(split).fingerprint()
    path = find_file(name, split)
    if path is None:
        return None
    recorded = recorded_fingerprint(path)
    if recorded:
        return recorded
    memo = cache_folder() / "fingerprints" / f"{_sha256(path)}.txt"
    if not memo.is_file():
        images = read_parquet(path, name, split, dataset.shape, None)
        with atomic_path(memo) as temporary:
            temporary.write_text(images.fingerprint())
    return memo.read_text()


def require_available(name: str, split: str) -> None:
    """Raise DatasetError where a split is neither on this machine nor offered for download."""
    dataset = _lookup(name, split)
    if dataset.make is None and dataset.source is None and find_file(name, split) is None:
        raise _absent(name, split, "does not offer them")


def _absent(name: str, split: str, reason: str) -> DatasetError:
    """The error for images that cannot be had; ``reason`` says why not by torchvision."""
    data = os.environ.get("EARLYGLOW_DATA")
    folder = Path(data or "$EARLYGLOW_DATA").expanduser()
    places = (folder / name / f"{split}.parquet", _cached_file(name, split))
    is_nowhere = data and not folder.is_dir()
    nowhere = f"EARLYGLOW_DATA is {data!r}, which is no folder; " if is_nowhere else ""
    return DatasetError(
        f"the {split} images of {name} are not on this machine and torchvision {reason}; {nowhere}"
        f"put a Parquet file at {' or at '.join(map(str, places))}, or choose 'digits' or "
        "'textures', which need no file."
    )


def _lookup(name: str, split: str) -> Dataset:
    if name not in DATASETS:
        raise DatasetError(unknown("data set", name, DATASETS))
    if split not in SPLITS:
        raise DatasetError(unknown("split", split, SPLITS))
    return DATASETS[name]


def _cached_file(name: str, split: str) -> Path:
    return cache_folder() / "datasets" / name / f"{split}.parquet"


def _download(name: str, split: str, dataset: Dataset) -> Path:
    if dataset.source is None:
        raise _absent(name, split, "does not offer them")
    path = _cached_file(name, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        try:
            images, labels = dataset.source(Path(root), split, True)
        except Exception as error:
            reason = f"could not download them ({type(error).__name__}: {error})"
            raise _absent(name, split, reason) from error
    write_parquet(path, ImageSet(images, labels, name, split))
    return path


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
