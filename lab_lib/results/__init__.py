"""What do we know? The table, the training curve and the readable report of a run."""
