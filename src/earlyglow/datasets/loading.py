"""Find a data set: in ``$EARLYGLOW_DATA``, in the user's cache, or through torchvision."""

from __future__ import annotations

import tempfile
from pathlib import Path

from earlyglow.checks import require_whole
from earlyglow.datasets import embedded, own, torchvision_source
from earlyglow.datasets.catalogue import Dataset
from earlyglow.datasets.finding import absent, cached_file, find_file, lookup
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.parquet import read_parquet, write_parquet


def load_images(name: str, split: str = "test", limit: int | None = None) -> ImageSet:
    """Load a data set by name.

    It is looked for in ``$EARLYGLOW_DATA/<name>/<split>.parquet``, then in the user's cache, then
    downloaded by torchvision and cached. ``digits`` and ``textures`` need no file. Pictures of your
    own have names such as ``folder:/my/pictures?size=28&grey`` or ``parquet:/my/set.parquet``.

    Args:
        name: a key of ``earlyglow.DATASETS``, or where your own pictures lie.
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
    dataset = lookup(name, split)
    if limit is not None:
        require_whole("limit", limit, 1)
    if dataset.origin == "embedded":
        images = getattr(embedded, name)(split)
        return ImageSet(images.images[:limit], images.labels[:limit], name, split)
    if dataset.origin == "own":
        images = own.load_source(name, split)
        return ImageSet(images.images[:limit], images.labels[:limit], name, split)
    path = find_file(name, split)
    if path is None:
        path = _download(name, split, dataset)
    return read_parquet(path, name, split, dataset.shape, limit)


def _download(name: str, split: str, dataset: Dataset) -> Path:
    if dataset.origin == "file":
        raise absent(name, split, "does not offer them")
    path = cached_file(name, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        try:
            images, labels = getattr(torchvision_source, name)(Path(root), split, True)
        except Exception as error:
            reason = f"could not download them ({type(error).__name__}: {error})"
            raise absent(name, split, reason) from error
    write_parquet(path, ImageSet(images, labels, name, split))
    return path
