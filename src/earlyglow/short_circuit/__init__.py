"""Gradient Short-Circuit: OOD detection by cutting the features that a classifier leans on.

The names, listed in ``__init__.pyi``, are imported at their first use, as those of the detectors.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
