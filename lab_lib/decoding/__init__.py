"""Generation: one decoding config, decoding strategies, constraints, batched generation, prediction files."""
