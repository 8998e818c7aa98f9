"""Understand utterances by retrieval and a generator: choose k, build indexes, tune embedders, produce calls."""
