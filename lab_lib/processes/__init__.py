"""Processes: several processes of one run, and this process as a Slurm job."""
