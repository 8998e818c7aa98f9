"""Measure as the command `lab` runs: import this before anything that loads torch."""

from lab_lib.runs.process import prepare_process

prepare_process()
