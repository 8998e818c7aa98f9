"""Measure as the command `lab` runs: import this before torch is loaded, and decorate main with denormals_as_zero."""

from lab_lib.runs.c_library import denormals_as_zero
from lab_lib.runs.process import prepare_process

prepare_process()

__all__ = ["denormals_as_zero"]
