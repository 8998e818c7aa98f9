"""Measure as the command `lab` runs: import this before torch is loaded, and decorate main with denormals_as_zero."""

from lab_lib.machine.process import prepare_process
from lab_lib.models.fast_cpu.denormals import denormals_as_zero

prepare_process()

__all__ = ["denormals_as_zero"]
