"""One setting of the C library's allocator that training on a CPU is a quarter faster with."""

from __future__ import annotations

import ctypes
import sys

# Constants of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let the process keep large freed blocks instead of giving them back to the kernel and asking for them again.

    A training step frees and takes the same hundreds of megabytes each time, and every new page has to be zeroed.
    Measured on two cores, 4-bit QLoRA of lab-tiny, 8 x 472 tokens: 5,742 tokens a second with it, 4,536 without;
    peak memory 1.59 GB against 1.46. Does nothing (and returns False) where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
