"""OOD detection with immature Glow models: reproduced, explained, and made fast.

The public names, listed in ``__init__.pyi``, are imported at their first use: the command line
need not wait for torch.
"""

from typing import Any

import lazy_loader

__version__ = "0.1.0"

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Modules of earlier versions that are no part of the library any more.
_MOVED = {
    "cli": "earlyglow_book.cli",
    "experiments": "earlyglow_book.chapters, one module a chapter",
    "findings": "earlyglow_book.chapters, the function 'words' of each",
    "notebooks": "earlyglow_book.notebooks",
    "plots": "earlyglow_book.figures",
    "provenance": "earlyglow_book.machine",
    "reporting": "earlyglow_book.page",
    "settings": "earlyglow.checks and earlyglow.hashing",
    "store": "earlyglow_book.results",
    "titles": "earlyglow_book.titles",
}


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        raise AttributeError(f"earlyglow.{name} has moved to {_MOVED[name]}.")
    return _find(name)
