"""How glibc's malloc serves training: freed blocks stay in the process, and all threads share one heap."""

from __future__ import annotations

import ctypes
import sys

# Constants of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8


def keep_freed_memory() -> bool:
    """Keep large freed blocks for the next allocation. Imports no library.

    A training step frees and takes the same hundreds of megabytes each time, and the operating system zeroes every new
    page. That was half of the time of a demo on one machine (AMD EPYC), and is 2 % of a step on another (Intel Xeon).
    The backward pass runs in a thread of its own. With one heap (arena) for all threads it reuses what the forward pass
    has freed: QLoRA of a 135M model, one row of at most 650 tokens at once, peaks at 3.4 GB instead of 4.3 GB.
    Does nothing (and returns False) where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    wanted = {M_MMAP_THRESHOLD: 1 << 30, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
    return all([bool(mallopt(option, value)) for option, value in wanted.items()])
