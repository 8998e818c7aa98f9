"""Measure as the command `lab` runs: import this before torch is loaded."""

from lab_lib.machine.process import prepare_process

prepare_process()
