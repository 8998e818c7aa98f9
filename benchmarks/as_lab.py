"""Measure as the command `lab` runs: import this before anything that loads torch."""

import os

from lab_lib.runs.allocator import keep_freed_memory

for name, value in {
    "OMP_WAIT_POLICY": "PASSIVE",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "256",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}.items():
    os.environ.setdefault(name, value)

__all__ = ["keep_freed_memory"]
