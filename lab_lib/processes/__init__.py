"""Which process am I? Several processes that work on one run, and this process as a job of Slurm."""
