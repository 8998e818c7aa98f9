"""How lab-tiny was made: a seeded, resumable pretraining script."""
