"""OOD detection with immature Glow models: reproduced, explained, and made fast.

The public names, listed in ``__init__.pyi``, are imported at their first use: the command line
need not wait for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
