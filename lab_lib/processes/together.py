"""Several processes of this machine for one command: they share its cores, its steps and its test items.

On two cores two processes of one thread train SmolLM2 1.6 times as fast as one process with two threads, where rows are
long (benchmarks/chat_model.py); steps of a few short rows gain little.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from lab_lib.errors import LabError
from lab_lib.processes.limits import core_limit


def run_together(count: int, words: Sequence[str]) -> int:
    """Run the command `lab WORDS` by `count` processes, which torchrun's library starts; return its exit code.

    Each one gets its part of the cores as threads, unless OMP_NUM_THREADS is set. A signal is handed on to them; if one
    fails, the others are ended, and its exit code is returned. Raises LabError if there are fewer cores than processes.
    """
    cores = int(core_limit().value)
    if count > cores:
        raise LabError(f"--processes {count}: there are {cores} cores")
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    os.environ.setdefault("OMP_NUM_THREADS", str(cores // count))
    # After a signal each process ends its step and writes a checkpoint; torchrun would kill it after 30 seconds.
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "3600")
    logging.disable(logging.CRITICAL)  # of torchrun: the processes themselves say what happened
    try:
        run(parse_args(["--standalone", "--nproc-per-node", str(count), "-m", "lab_lib", *words]))
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    except ChildFailedError as failed:
        return int(failed.get_first_failure()[1].exitcode)
    return 0
