"""Two settings of the C library that training on a CPU is faster with. Nothing is imported for them."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Constants of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Of fenv_t on x86-64: where the SSE control register stands, and its bits "flush to zero" and "denormals are zero".
MXCSR_AT, FLUSH, ZERO = 28, 1 << 15, 1 << 6


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


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Take numbers below 1.2e-38 (float32) for zero: a processor of the x86 family multiplies them many times slower.

    A T5 has more of them with every step, since its attention is not scaled and grows sharp: without this its training
    went from 1,950 to 700 tokens a second within 190 steps, with it the speed stayed (docs/lab-log.md). The state
    belongs to a thread, and threads inherit it from the one that makes them, so it has to be there before torch makes
    its own; `torch.set_flush_denormal`, which needs torch first, may come too late. Afterwards the calling thread has
    its old state again. Does nothing on other processors and C libraries.
    """
    library = _floating_point()
    if library is None:
        yield
        return
    before, inside = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    library.fegetenv(before)
    library.fegetenv(inside)
    (register,) = struct.unpack_from("I", inside, MXCSR_AT)
    struct.pack_into("I", inside, MXCSR_AT, register | FLUSH | ZERO)
    # numpy 1 remarks on it wherever a float's limits are asked for.
    warnings.filterwarnings("ignore", "The value of the smallest subnormal", UserWarning)
    library.fesetenv(inside)
    try:
        yield
    finally:
        library.fesetenv(before)


def _floating_point() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return None
    try:
        return ctypes.CDLL("libm.so.6")
    except OSError:
        return None
