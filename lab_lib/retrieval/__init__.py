"""Retrieval: keyword and embedding indexes of exemplars and functions, their fusion, and their recall."""
