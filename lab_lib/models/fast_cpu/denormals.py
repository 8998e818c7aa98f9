"""Treats denormal numbers (below 1.2e-38 in float32) as zero: x86 processors compute them many times slower.

In a T5 their number grows with every step, because its attention is not scaled and becomes sharp. With denormals its
training slowed from 1,950 to 700 tokens per second within 190 steps; without them the speed stayed constant
(docs/lab-log.md). Commands set this mode while they run; the mode of a caller's process, for example a notebook, is
restored.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_wanted = ContextVar("wanted", default=False)


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Treat denormals as zero inside the `with`, as soon as the first model is loaded."""
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)
        if "torch" in sys.modules:
            import torch

            torch.set_flush_denormal(False)


def flush_denormals() -> None:
    """Inside `denormals_as_zero`, switch denormals off in this thread and in all threads that it starts later.

    `load_model` calls it before torch starts its own threads, that is before it computes anything. Does nothing on
    processors without such a switch.
    """
    if not _wanted.get():
        return
    import torch

    # numpy 1 warns wherever a float's limits are read.
    warnings.filterwarnings("ignore", "The value of the smallest subnormal", UserWarning)
    torch.set_flush_denormal(True)
