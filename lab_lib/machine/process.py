"""What every process of the lab sets before it computes: the command `lab` and the notebooks' set-up cell."""

from __future__ import annotations

import logging
import os

from lab_lib.models.fast_cpu.allocator import keep_freed_memory


def prepare_process() -> None:
    """Set what the libraries read when they are imported, unless the user has set it. Imports none of them."""
    # Threads that spin while they wait for work slow everything else on the machine down tenfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Compiled kernels of oneDNN are kept with their memory; the default of 1,024 is gigabytes with changing lengths.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    # Our own lines say what is loaded and why; the libraries' remarks are for their developers.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    keep_freed_memory()
