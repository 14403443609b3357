"""Named image sets, their splits, and dequantisation.

The names are imported at their first use: what is known of a set before its images are there
needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ["DATASETS", "Dataset"],
        "dequantization": ["centre", "dequantize", "quantize"],
        "errors": ["DatasetError"],
        "finding": ["find_file", "find_fingerprint", "require_available"],
        "image_set": ["ImageSet"],
        "loading": ["load_images"],
        "own": ["load_folder"],
        "splits": ["halves", "halves_of_clusters", "near_duplicates", "subset"],
    },
)
