"""OOD detectors on top of a flow, with the interface of pytorch-ood: higher means more OOD.

A detector scores groups of ``group_size`` consecutive images, one score per group. The names,
listed in ``__init__.pyi``, are imported at their first use, because pytorch-ood imports much that
the reader of a stored result need not wait for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
