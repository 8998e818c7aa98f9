"""Which functions does an utterance mean? The right k, an index, a tuned embedder: the side trips of the lab."""
