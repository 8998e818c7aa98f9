"""Sweeps: a grid of runs or of decoding strategies, with processes, table and figure."""
