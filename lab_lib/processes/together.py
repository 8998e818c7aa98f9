"""Several processes of this machine for one command: they share its cores, its steps and its test items.

On a CPU two processes of one thread train nearly twice as fast as one process with two threads, because most operations
are too small to be divided (docs/lab-log.md).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from lab_lib.errors import LabError
from lab_lib.processes.limits import core_limit


def start_together(count: int, words: Sequence[str]) -> NoReturn:
    """Replace this process by `count` processes of the command `lab WORDS`, started by torchrun's module.

    Each one gets its part of the cores as threads, unless OMP_NUM_THREADS is set. Raises LabError if there are fewer
    cores than processes.
    """
    cores = int(core_limit().value)
    if count > cores:
        raise LabError(f"--processes {count}: there are {cores} cores")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    environment = {"OMP_NUM_THREADS": str(cores // count), **os.environ}
    os.execve(sys.executable, [sys.executable, *torchrun, "-m", "lab_lib", *words], environment)
