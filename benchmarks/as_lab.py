"""Measure as the command `lab` runs: import this before anything that loads torch."""

from lab_lib.runs.c_library import denormals_as_zero
from lab_lib.runs.process import prepare_process

prepare_process()
AS_LONG_AS_IT_RUNS = denormals_as_zero()  # kept: a context manager that is forgotten is left
AS_LONG_AS_IT_RUNS.__enter__()
