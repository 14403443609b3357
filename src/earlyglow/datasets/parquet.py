"""Image sets in Parquet files, in the layout of a Hugging Face image column."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from earlyglow.cache import atomic_path
from earlyglow.datasets.errors import DatasetError
from earlyglow.datasets.image_set import ImageSet, fingerprint
from earlyglow.datasets.pictures import decode_picture

FINGERPRINT = b"earlyglow.fingerprint"
_UNREADABLE = (pa.ArrowException, OSError, KeyError, AttributeError, ValueError)
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def read_parquet(
    path: Path, name: str, split: str, shape: tuple[int, int, int], limit: int | None
) -> ImageSet:
    """Read the first ``limit`` images of a Parquet file.

    Raises:
        DatasetError: the file is damaged, has other columns, or images of another shape.
    """
    try:
        table = pq.read_table(path, columns=["image", "label"])
        encoded = table["image"].combine_chunks().field("bytes")
        labels = torch.tensor(table["label"].cast(pa.int64()).fill_null(-1).to_numpy())
    except _UNREADABLE as error:
        raise DatasetError(
            f"{path} is not a readable Parquet file with the columns 'image' (struct with "
            f"'bytes') and 'label' (integers; {type(error).__name__}); delete it or put the right "
            "file there."
        ) from error
    recorded = (table.schema.metadata or {}).get(FINGERPRINT)
    encoded, labels = encoded[:limit], labels[:limit]
    images = _decode(path, encoded, shape)
    if recorded and limit is None and recorded.decode() != fingerprint(images):
        raise DatasetError(
            f"the images in {path} do not match the checksum recorded in it; delete the file and "
            "it will be made again."
        )
    return ImageSet(images, labels, name, split)


def write_parquet(path: Path, image_set: ImageSet) -> None:
    """Write an image set as lossless PNG bytes, with its fingerprint, atomically."""
    encoded = [{"bytes": _png(image), "path": ""} for image in image_set.images.numpy()]
    columns = {"image": pa.array(encoded, _IMAGE), "label": pa.array(image_set.labels.numpy())}
    metadata = {FINGERPRINT: image_set.fingerprint().encode()}
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), temporary)


def recorded_fingerprint(path: Path) -> str | None:
    """The fingerprint that ``write_parquet`` left in the file, if it did."""
    try:
        recorded = (pq.read_schema(path).metadata or {}).get(FINGERPRINT)
    except _UNREADABLE as error:
        raise DatasetError(
            f"{path} is not a readable Parquet file ({type(error).__name__}); delete it or put "
            "the right file there."
        ) from error
    return recorded.decode() if recorded else None


def _decode(path: Path, encoded: Iterable[pa.Scalar], shape: tuple[int, int, int]) -> torch.Tensor:
    channels, height, width = shape

    def decode_one(numbered: tuple[int, pa.Scalar]) -> np.ndarray:
        row, item = numbered
        if not item.is_valid:
            raise DatasetError(
                f"row {row} of {path}: the image is not embedded; save the set with its images in "
                "it."
            )
        picture = decode_picture(item.as_py(), f"row {row} of {path}", channels)
        return np.asarray(picture).reshape(picture.height, picture.width, channels)

    # Pillow releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(pool.map(decode_one, enumerate(encoded)))
    for image in decoded:
        if image.shape != (height, width, channels):
            found = (channels, *image.shape[:2])
            raise DatasetError(
                f"{path} holds images of shape {found}, but this data set has shape {shape}; "
                "resize them or put the right file there."
            )
    stacked = np.stack(decoded) if decoded else np.zeros((0, height, width, channels), np.uint8)
    return torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)))


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
