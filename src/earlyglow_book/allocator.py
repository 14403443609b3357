"""The C library's memory allocator."""

from __future__ import annotations

import ctypes
import platform

# Names and values of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = -1


def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next allocation, where glibc is the C library.

    By default every large activation goes back to the system and comes again page by page, which
    takes about a tenth of the time of the gradient norms. The process then stays as large as it
    ever was.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)
