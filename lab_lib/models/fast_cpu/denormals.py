"""Takes denormal numbers (below 1.2e-38 in float32) for zero: x86 processors compute them many times slower.

A T5 has more of them with every step, since its attention is not scaled and grows sharp: with denormals its training
went from 1,950 to 700 tokens a second within 190 steps, without them the speed stayed (docs/lab-log.md).
"""

from __future__ import annotations

import warnings


def flush_denormals() -> bool:
    """Take denormals for zero in this thread and in all threads that it starts from now on.

    Call it before torch starts its own threads, that is before it computes anything: `load_model` does. The switch
    stays on until the process ends. Returns False, and does nothing, on processors without it.
    """
    import torch

    # numpy 1 warns wherever a float's limits are read.
    warnings.filterwarnings("ignore", "The value of the smallest subnormal", UserWarning)
    return bool(torch.set_flush_denormal(True))
