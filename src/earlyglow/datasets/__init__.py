"""Named image sets, their splits, and dequantisation."""

from earlyglow.datasets.catalogue import DATASETS, Dataset
from earlyglow.datasets.dequantization import centre, dequantize, quantize
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.loading import find_file, find_fingerprint, load_images, require_available
from earlyglow.datasets.parquet import DatasetError
from earlyglow.datasets.splits import halves, subset

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetError",
    "ImageSet",
    "centre",
    "dequantize",
    "find_file",
    "find_fingerprint",
    "halves",
    "load_images",
    "quantize",
    "require_available",
    "subset",
]
