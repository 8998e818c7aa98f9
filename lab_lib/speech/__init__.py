"""Speech: offline recognition, spoken examples, word error rates, and simulated recognition errors."""
