"""Runs as jobs of Slurm: submit them, see how they ended, submit them again."""
