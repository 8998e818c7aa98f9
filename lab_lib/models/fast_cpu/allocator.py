"""Keeps large freed blocks of memory in the process, where glibc would give them back to the kernel."""

from __future__ import annotations

import ctypes
import sys

# Constants of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Keep large freed blocks for the next allocation. Imports no library.

    A training step frees and takes the same hundreds of megabytes each time, and the operating system zeroes every new
    page. That was half of the time of a demo on one machine (AMD EPYC), and is 2 % of a step on another (Intel Xeon).
    Does nothing (and returns False) where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
