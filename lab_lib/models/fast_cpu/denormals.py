"""Takes denormal numbers (below 1.2e-38 in float32) for zero: x86 processors compute them many times slower.

A T5 has more of them with every step, since its attention is not scaled and grows sharp: with denormals its training
went from 1,950 to 700 tokens a second within 190 steps, without them the speed stayed (docs/lab-log.md). Commands do so
while they run; a caller's process, a notebook for example, is left as it was.
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
    """Take denormals for zero inside the `with`, from the first model that is loaded on."""
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)
        if "torch" in sys.modules:
            import torch

            torch.set_flush_denormal(False)


def flush_denormals() -> None:
    """Inside `denormals_as_zero` switch denormals off in this thread and in all threads that it starts from now on.

    `load_model` calls it before torch starts its own threads, that is before it computes anything. Does nothing on
    processors without such a switch.
    """
    if not _wanted.get():
        return
    import torch

    # numpy 1 warns wherever a float's limits are read.
    warnings.filterwarnings("ignore", "The value of the smallest subnormal", UserWarning)
    torch.set_flush_denormal(True)
