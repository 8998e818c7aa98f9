"""How the model answers: one decoding config, batched generation, prediction files."""
