"""Which setting is best? A grid of runs or of decoding strategies: processes, table, figure."""
